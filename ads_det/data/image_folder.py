"""A pool that is nothing but image files, and the labels that people gave them."""

from __future__ import annotations

import os
from typing import Any

from mmdet.datasets.base_det_dataset import BaseDetDataset

from ads_det.data.pool_dataset import PoolDatasetMixin
from ads_det.data.readable import list_images
from ads_det.data.true_size import true_size
from ads_det.errors import ADSError
from ads_det.files import read_ids
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.store import LabelStore
from ads_det.registry import DATASETS


@DATASETS.register_module()
class ImageFolderDataset(PoolDatasetMixin, BaseDetDataset):
    """All images below ``data_root``; ids are paths relative to it.

    Files and folders whose name begins with a dot are left out.

    Args:
        labels: folder of a :class:`LabelStore`, which holds the labels as far as there are any;
            without it the images are unlabelled.
        exclude: path of a list of ids that do not belong to the pool, such as the test images.
        **kwargs: as in mmdet's BaseDetDataset and :class:`PoolDatasetMixin`.

    Raises:
        ADSError: see :class:`PoolDatasetMixin`; or if a label is asked for that nobody gave.
    """

    def __init__(
        self,
        labels: str | os.PathLike[str] | None = None,
        exclude: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.labels, self.exclude = labels, exclude
        if labels is None:
            kwargs["load_annotations"] = False
        super().__init__(**kwargs)

    def image_paths(self) -> dict[str, str]:
        paths = list_images(self.data_root or "")
        excluded = read_ids(self.exclude) if self.exclude else ()
        for name in excluded:
            if paths.pop(name, None) is None and self.ids is None:
                raise ADSError(
                    f"{self.exclude} names {name!r}, which {self.where()} does not contain; "
                    "restore the image, or take it off the list."
                )
        return paths

    def load_labeled(self, paths: dict[str, str]) -> list[dict]:
        assert self.labels is not None
        labels = LabelStore(self.labels).read()
        missing = [name for name in paths if name not in labels]
        if missing:
            raise ADSError(
                f"The image {missing[0]!r} has no label in {self.labels}; import its label with "
                "ads-det import."
            )
        classes = {name: i for i, name in enumerate(self.metainfo["classes"])}
        return [self._item(labels[name], path, classes) for name, path in paths.items()]

    def _item(self, labels: ImageLabels, path: str, classes: dict[str, int]) -> dict:
        self.notes.other_classes.update(b.name for b in labels.boxes if b.name not in classes)
        where = f"The label of {labels.image!r} in {self.labels}"
        width, height = true_size(where, path, (labels.width, labels.height))
        instances = []
        for box in labels.boxes:
            is_taken = self.notes.takes(labels.image, box.corners, (width, height), box.corners)
            if is_taken and box.name in classes:
                label = classes[box.name]
                instances.append(dict(bbox=list(box.corners), bbox_label=label, ignore_flag=0))
        size = dict(width=width, height=height)
        return dict(img_id=labels.image, img_path=path, **size, instances=instances)

    def absent_classes(self) -> list[str]:
        labels = LabelStore(self.labels).read().values() if self.labels else ()
        found = {box.name for image in labels for box in image.boxes}
        return [name for name in self.metainfo["classes"] if name not in found]
