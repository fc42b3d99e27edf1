"""Loading and resizing in one step, for images much larger than a detector's input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
from mmdet.datasets.transforms import Resize

from ads_det.data.image_cache import Decoded, DiskCache, MemoryCache
from ads_det.errors import ADSError
from ads_det.files import read_bytes
from ads_det.labels.sizes import upright_size
from ads_det.registry import TRANSFORMS

# a JPEG is decoded at a half, a quarter or an eighth of its size, with the mean of the pixels
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}
_VERSION = 1  # of the pixels: to be raised when decoding or resizing changes
_JPEG = b"\xff\xd8\xff"


@TRANSFORMS.register_module()
class LoadResized(Resize):
    """As ``LoadImageFromFile`` and ``Resize`` to one size (``keep_ratio=False``), but faster.

    A JPEG with more than twice the wanted pixels on both sides is decoded at a reduced scale, of
    which at least twice as many remain; of other images the pixels are those of the two. Boxes that
    were loaded before are scaled; those loaded after it stay in image pixels.

    Args:
        scale: width and height, pixels.
        cache_mib: room for resized images, which a training reads again in each epoch; 0 keeps
            none.
        cache_dir: folder to keep them in, for all processes, cycles and runs together; None: the
            memory of each process that loads.

    Raises:
        ADSError: if an argument has no meaning.
    """

    def __init__(
        self, scale: Sequence[int], cache_mib: float = 0, cache_dir: str | None = None
    ) -> None:
        if isinstance(cache_mib, bool) or not isinstance(cache_mib, (int, float)) or cache_mib < 0:
            raise ADSError(f"LoadResized.cache_mib is {cache_mib!r}; use 0 or more.")
        if cache_dir is not None and not (isinstance(cache_dir, str) and cache_dir and cache_mib):
            raise ADSError(
                f"LoadResized.cache_dir is {cache_dir!r} and cache_mib {cache_mib!r}; name a "
                "folder and the MiB that it may hold, or leave cache_dir out."
            )
        super().__init__(scale=tuple(scale), keep_ratio=False)
        room = cache_mib * 2**20
        self._cache: MemoryCache | DiskCache = (
            MemoryCache(room)
            if cache_dir is None
            else DiskCache(Path(cache_dir).expanduser(), room, f"{_VERSION} {self.scale}")
        )

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Set ``img`` (H, W, 3), BGR, its shapes and factors; an image that is there is resized."""
        if results.get("img") is not None:
            resized: dict[str, Any] = super().transform(results)
            return resized
        path = results["img_path"]
        image = self._cache.get(path)
        if image is None:
            image = self._decode(path)
            self._cache.put(path, image)
        pixels, (height, width) = image
        results.update(
            img=pixels.copy(),  # another transform may write to it
            img_shape=pixels.shape[:2],
            ori_shape=(height, width),
            scale=self.scale,
            scale_factor=(self.scale[0] / width, self.scale[1] / height),
            keep_ratio=False,
        )
        self._resize_bboxes(results)
        self._record_homography_matrix(results)
        return results

    def _decode(self, path: str) -> Decoded:
        content = read_bytes(path)
        factor, size = self._factor(path, content)
        if factor == 1:
            whole = mmcv.imfrombytes(content)
            size = whole.shape[:2]
        else:
            whole = cv2.imdecode(np.frombuffer(content, np.uint8), _REDUCED[factor])
        return Decoded(mmcv.imresize(whole, self.scale), size)

    def _factor(self, path: str, content: bytes) -> tuple[int, tuple[int, int]]:
        """By what the image is reduced when it is decoded, and its height and width."""
        if not content.startswith(_JPEG):
            return 1, (0, 0)
        width, height = upright_size(path)
        least = min(width / self.scale[0], height / self.scale[1]) / 2
        return next((f for f in _REDUCED if least >= f), 1), (height, width)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(scale={self.scale})"
