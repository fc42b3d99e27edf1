"""How large an image is as viewers show it."""

from __future__ import annotations

import os

from PIL import Image

_ORIENTATION = 0x0112  # tag of EXIF
_TURNED = (5, 6, 7, 8)  # its values that swap width and height


def upright_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Width and height in pixels after turning by the orientation tag; (0, 0) if the file cannot
    be read."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION, 1) in _TURNED
    except Exception:  # Pillow's plug-ins raise whatever they like
        return 0, 0
    return (height, width) if turned else (width, height)
