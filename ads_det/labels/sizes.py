"""How large an image is when it is loaded to train on."""

from __future__ import annotations

import functools
import os
import struct

import cv2
import numpy as np
from PIL import Image

from ads_det.files import open_regular, read_bytes

_ORIENTATION = 0x0112  # tag of EXIF
_OF_16_BITS = ("PNG", "PPM")  # whose mode Pillow calls that of 32 bits
_DEEP = "its pixels have 32 bits; convert it to 8 or 16 bits a channel"
_HEAD = 2048  # bytes that hold the size of an ordinary JPEG
# segments of a JPEG before its frame: application data but EXIF's, tables, comments
_PASSED_OVER = frozenset({0xE0, *range(0xE2, 0xF0), 0xC4, 0xDB, 0xDD, 0xFE})


def is_on_its_side(path: str | os.PathLike[str]) -> bool:
    """Whether a tag swaps width and height of the image; not, if it cannot be read."""
    try:
        with open_regular(path) as file, Image.open(file) as image:
            return _orientation(image) in (5, 6, 7, 8)
    except Exception:  # Pillow's plug-ins raise whatever they like
        return False


def is_turned(path: str | os.PathLike[str]) -> bool:
    """Whether a tag asks viewers to turn or mirror the image; not, if it cannot be read."""
    try:
        with open_regular(path) as file, Image.open(file) as image:
            return _orientation(image) not in (0, 1)
    except Exception:  # Pillow's plug-ins raise whatever they like
        return False


def is_swapped(
    path: str | os.PathLike[str], stated: tuple[int, int], true: tuple[int, int]
) -> bool:
    """Whether an annotation only gives the width for the height of an image, a mistake that some
    tools make; not, if it may be for the image as it lies under a tag that turns it.

    Args:
        path: Path of the image.
        stated: width and height that the annotation gives.
        true: those of the image as it is loaded.
    """
    return stated == true[::-1] and true[0] != true[1] and not is_turned(path)


def _orientation(image: Image.Image) -> int:
    if image.format == "JPEG" and not {"exif", "xmp"} & image.info.keys():
        return 1  # getexif() would take as long as all the rest
    return int(image.getexif().get(_ORIENTATION, 1))


def upright_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Width and height in pixels as mmcv loads the image, which obeys the orientation tag where
    its decoder knows it; (0, 0) if the file cannot be read."""
    try:
        with open_regular(path) as file:
            plain = _plain_size(file.read(_HEAD))
        if plain is not None:
            return plain
        with open_regular(path) as file, Image.open(file) as image:
            width, height = image.size
            is_upright = _orientation(image) in (0, 1)
    except Exception:  # as above
        return 0, 0
    if is_upright:
        return width, height
    pixels = read_upright(path)  # decoders differ in which formats' tags they obey
    return (0, 0) if pixels is None else (pixels.shape[1], pixels.shape[0])


def _plain_size(head: bytes) -> tuple[int, int] | None:
    """Width and height in the header of a JPEG that carries no EXIF or XMP; None of all else.

    Pillow takes four times as long, which is a second for 10,000 images.
    """
    place = 2 if head.startswith(b"\xff\xd8\xff") else len(head)
    while place + 9 <= len(head) and head[place] == 0xFF:
        marker = head[place + 1]
        end = place + 2 + int.from_bytes(head[place + 2 : place + 4], "big")
        if marker in (0xC0, 0xC1, 0xC2):  # start of a frame
            height, width = struct.unpack_from(">HH", head, place + 5)
            return (width, height) if width and height and end <= len(head) else None
        if marker not in _PASSED_OVER:
            return None
        place = end
    return None


def read_upright(path: str | os.PathLike[str]) -> np.ndarray | None:
    """The image as mmcv loads it, BGR, shape (H, W, 3), uint8; None if it cannot."""
    return cv2.imdecode(np.frombuffer(read_bytes(path), np.uint8), cv2.IMREAD_COLOR)


def open_upright(path: str | os.PathLike[str]) -> Image.Image:
    """The image as Pillow reads it, RGB, and as upright as it is when it is loaded to train on: one
    with a tag is what OpenCV makes of it, which does not obey the tags of all formats. Of 16 bits a
    pixel the upper 8, as OpenCV reads them, where Pillow would cut all above 255.

    Raises:
        ValueError: if its pixels have 32 bits, which OpenCV does not read as a picture either.
    """
    pixels = read_upright(path) if is_turned(path) else None
    if pixels is not None:
        return Image.fromarray(pixels[..., ::-1])
    with open_regular(path) as file, Image.open(file) as image:
        if image.mode == "F" or (image.mode == "I" and image.format not in _OF_16_BITS):
            raise ValueError(_DEEP)
        if image.mode == "I" or image.mode.startswith("I;16"):
            upper = (np.asarray(image).clip(0, 2**16 - 1) >> 8).astype(np.uint8)
            return Image.fromarray(upper).convert("RGB")
        return image.convert("RGB")


def known_size(path: str) -> tuple[int, int]:
    """:func:`upright_size`, looked up once for each state of a file."""
    try:
        state = os.stat(path)
    except OSError:
        return 0, 0
    return _size_of_state(path, state.st_mtime_ns, state.st_size)


@functools.cache
def _size_of_state(path: str, _modified: int, _bytes: int) -> tuple[int, int]:
    return upright_size(path)
