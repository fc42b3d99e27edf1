"""How large an image is when it is loaded to train on."""

from __future__ import annotations

import functools
import os

import cv2
import numpy as np
from PIL import Image

from ads_det.files import open_regular, read_bytes

_ORIENTATION = 0x0112  # tag of EXIF


def is_turned(path: str | os.PathLike[str]) -> bool:
    """Whether a tag asks viewers to turn or mirror the image; not, if it cannot be read."""
    try:
        with open_regular(path) as file, Image.open(file) as image:
            return _orientation(image) not in (0, 1)
    except Exception:  # Pillow's plug-ins raise whatever they like
        return False


def _orientation(image: Image.Image) -> int:
    if image.format == "JPEG" and not {"exif", "xmp"} & image.info.keys():
        return 1  # getexif() would take as long as all the rest
    return int(image.getexif().get(_ORIENTATION, 1))


def upright_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Width and height in pixels as mmcv loads the image, which obeys the orientation tag where
    its decoder knows it; (0, 0) if the file cannot be read."""
    try:
        with open_regular(path) as file, Image.open(file) as image:
            width, height = image.size
            is_upright = _orientation(image) in (0, 1)
    except Exception:  # as above
        return 0, 0
    if is_upright:
        return width, height
    pixels = read_upright(path)  # decoders differ in which formats' tags they obey
    return (0, 0) if pixels is None else (pixels.shape[1], pixels.shape[0])


def read_upright(path: str | os.PathLike[str]) -> np.ndarray | None:
    """The image as mmcv loads it, BGR, shape (H, W, 3), uint8; None if it cannot."""
    return cv2.imdecode(np.frombuffer(read_bytes(path), np.uint8), cv2.IMREAD_COLOR)


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
