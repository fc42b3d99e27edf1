"""Which images can be read."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import mmcv
from PIL import Image

from ads_det.console import progress_bar

_THREADS = 4


def why_unreadable(path: str) -> str | None:
    """Why an image file cannot be decoded to its end, or None if it can.

    A JPEG is decoded at an eighth of its size, which reads all of it in a fraction of the time.
    """
    try:
        with Image.open(path) as image:
            image.draft(None, (1, 1))
            image.load()
    except Exception as error:  # Pillow's plug-ins raise whatever they like
        return str(error).replace(repr(path), "").strip() or type(error).__name__
    return None


def find_unreadable(paths: Mapping[str, str]) -> dict[str, str]:
    """Ids of the images that cannot be read, with the reason.

    Args:
        paths: path of each image by its id.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        reasons = progress_bar(
            threads.map(why_unreadable, paths.values()), "check images", total=len(paths)
        )
        return {name: why for name, why in zip(paths, reasons, strict=True) if why}


def loader_refuses(path: str) -> bool:
    """Whether a pipeline that failed has the image to blame."""
    if why_unreadable(path):
        return True
    try:
        return mmcv.imread(path) is None
    except Exception:
        return True
