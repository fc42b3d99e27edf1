"""A pool that is nothing but image files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmdet.datasets.base_det_dataset import BaseDetDataset

from ads_det.data.pool_dataset import IMAGE_SUFFIXES, PoolDatasetMixin
from ads_det.errors import ADSError
from ads_det.registry import DATASETS


@DATASETS.register_module()
class ImageFolderDataset(PoolDatasetMixin, BaseDetDataset):
    """All images below ``data_root``, without labels; ids are paths relative to it."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["load_annotations"] = False
        super().__init__(**kwargs)

    def image_paths(self) -> dict[str, str]:
        root = Path(self.data_root)
        if not root.is_dir():
            raise ADSError(f"The image folder {root} does not exist.")
        files = sorted(p for p in root.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        return {p.relative_to(root).as_posix(): str(p) for p in files}
