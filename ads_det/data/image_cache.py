"""Decoded images kept for the next time, in memory or on disk, up to a size."""

from __future__ import annotations

import hashlib
import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ads_det.console import say

_HEAD = np.dtype([("checksum", "<u4"), ("shape", "<u4", 2), ("original", "<u4", 2)])
_LOOK = 64  # images at least that are written before the folder is measured again


class Decoded(NamedTuple):
    """An image as a pipeline wants it.

    Args:
        pixels: (H, W, 3), uint8.
        original: Height and width of the file that it was decoded from.
    """

    pixels: np.ndarray
    original: tuple[int, int]


class MemoryCache:
    """Images of this process.

    Args:
        room: Bytes of pixels to keep at most; what comes later is not kept.
    """

    def __init__(self, room: float) -> None:
        self._room = room
        self._images: dict[str, Decoded] = {}

    def get(self, path: str) -> Decoded | None:
        return self._images.get(path)

    def put(self, path: str, image: Decoded) -> None:
        if image.pixels.nbytes <= self._room:
            self._room -= image.pixels.nbytes
            self._images[path] = image


class DiskCache:
    """Images in a folder that processes, cycles and runs share.

    A file of it holds one image, its checksum and its sizes. Its name depends on the path, the
    size and the time of change of the photo, so a photo that was replaced is decoded anew, as is
    one whose cached file is damaged.

    Args:
        folder: Folder of the cache; made at the first image.
        room: Bytes that the folder may hold, about: several processes measure it from time to time.
        variant: what else the pixels depend on, such as the size they are brought to.
    """

    def __init__(self, folder: Path, room: float, variant: str) -> None:
        self._folder, self._limit, self._variant = folder, room, variant
        self._left, self._until_look = 0.0, 0

    def get(self, path: str) -> Decoded | None:
        try:
            content = self._file(path).read_bytes()
        except OSError:
            return None
        if len(content) < _HEAD.itemsize:
            return None
        head = np.frombuffer(content, _HEAD, 1)[0]
        body, (height, width) = content[_HEAD.itemsize :], head["shape"].tolist()
        whole = len(body) == 3 * height * width
        if not whole or zlib.crc32(content[4:]) != head["checksum"]:
            return None
        pixels = np.frombuffer(body, np.uint8).reshape(height, width, 3)
        return Decoded(pixels, tuple(head["original"].tolist()))

    def put(self, path: str, image: Decoded) -> None:
        size = image.pixels.nbytes + _HEAD.itemsize
        if not self._until_look:
            used, files = self._measure()
            self._left, self._until_look = self._limit - used, max(_LOOK, files // 8)
        if size > self._left:
            return
        head = np.zeros(1, _HEAD)
        head["shape"], head["original"] = image.pixels.shape[:2], image.original
        content = head.tobytes()[4:] + image.pixels.tobytes()
        head["checksum"] = zlib.crc32(content)
        try:
            _write(self._file(path), head.tobytes()[:4] + content)
        except OSError as error:
            self._limit = self._left = 0.0
            say(f"Images are no longer kept in {self._folder} ({error.strerror}).")
            return
        self._left -= size
        self._until_look -= 1

    def _file(self, path: str) -> Path:
        state = os.stat(path)
        text = f"{os.path.abspath(path)}\n{state.st_size}\n{state.st_mtime_ns}\n{self._variant}"
        name = hashlib.sha1(text.encode(errors="surrogateescape")).hexdigest()
        return self._folder / name[:2] / f"{name}.image"

    def _measure(self) -> tuple[int, int]:
        """Bytes in the folder, and files."""
        sizes = []
        for file in self._folder.glob("*/*"):
            with suppress(OSError):  # another process has just renamed it
                sizes.append(file.stat().st_size)
        return sum(sizes), len(sizes)


def _write(file: Path, content: bytes) -> None:
    """Under its name there is all of it; not flushed, since a checksum tells what a crash left."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
