"""A pool that is nothing but image files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mmdet.datasets.base_det_dataset import BaseDetDataset

from ads_det.data.pool_dataset import IMAGE_SUFFIXES, PoolDatasetMixin
from ads_det.errors import ADSError
from ads_det.registry import DATASETS


@DATASETS.register_module()
class ImageFolderDataset(PoolDatasetMixin, BaseDetDataset):
    """All images below ``data_root``, without labels; ids are paths relative to it.

    Files and folders whose name begins with a dot are left out.

    Args:
        **kwargs: as in mmdet's BaseDetDataset and :class:`PoolDatasetMixin`.

    Raises:
        ADSError: see :class:`PoolDatasetMixin`.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs["load_annotations"] = False
        super().__init__(**kwargs)

    def image_paths(self) -> dict[str, str]:
        root = Path(self.data_root or "")
        if not root.is_dir():
            raise ADSError(f"The image folder {root} does not exist; correct `data_root`.")
        paths: dict[str, str] = {}
        for folder, subfolders, files in os.walk(root):
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
            for name in files:
                if not name.startswith(".") and name.lower().endswith(IMAGE_SUFFIXES):
                    path = Path(folder, name)
                    paths[path.relative_to(root).as_posix()] = str(path)
        return dict(sorted(paths.items()))
