"""How large an image is when it is loaded to train on."""

from __future__ import annotations

import os

import cv2
import numpy as np
from PIL import Image

_ORIENTATION = 0x0112  # tag of EXIF


def is_turned(path: str | os.PathLike[str]) -> bool:
    """Whether a tag asks viewers to turn or mirror the image; not, if it cannot be read."""
    try:
        with Image.open(path) as image:
            return bool(image.getexif().get(_ORIENTATION, 1) not in (0, 1))
    except Exception:  # Pillow's plug-ins raise whatever they like
        return False


def upright_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Width and height in pixels as mmcv loads the image, which obeys the orientation tag where
    its decoder knows it; (0, 0) if the file cannot be read."""
    try:
        with Image.open(path) as image:
            width, height = image.size
    except Exception:  # as above
        return 0, 0
    if not is_turned(path):
        return width, height
    pixels = read_upright(path)  # decoders differ in which formats' tags they obey
    return (0, 0) if pixels is None else (pixels.shape[1], pixels.shape[0])


def read_upright(path: str | os.PathLike[str]) -> np.ndarray | None:
    """The image as mmcv loads it, BGR, shape (H, W, 3), uint8; None if it cannot."""
    return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
