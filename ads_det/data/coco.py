"""COCO-format data."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

from mmdet.datasets import CocoDataset as MMDetCocoDataset

from ads_det.data.notes import and_more
from ads_det.data.pool_dataset import PoolDatasetMixin
from ads_det.data.true_size import true_size
from ads_det.errors import ADSError
from ads_det.files import first_twice
from ads_det.labels.checks import load_json, read_size
from ads_det.labels.coco import (
    annotations_of,
    bbox_of,
    by_id,
    category_names,
    category_of,
    check_pixels,
    is_set,
    section,
)
from ads_det.registry import DATASETS


@DATASETS.register_module()
class CocoDataset(PoolDatasetMixin, MMDetCocoDataset):
    """mmdet's COCO data set whose images are named by their ``file_name``.

    The list of images is read from the ``images`` section of ``ann_file``; with
    ``load_annotations=False`` nothing else of the file is used, so a file without annotations
    will do. Every image must exist, which costs one listing of each image folder. Images are
    in the order of the file. Classes default to COCO's eighty.

    A labelled item's ``img_id`` is COCO's number, which CocoMetric needs; an unlabelled item's
    is the ``file_name``. The ``area`` of an annotation is not used and may be missing. What has
    ``iscrowd`` or ``ignore`` counts neither as object nor as background.

    Args:
        data_prefix: ``dict(img=...)``, the folder below ``data_root`` that ``file_name`` counts
            from; ``data_root`` itself unless given.
        **kwargs: as in mmdet's CocoDataset and :class:`PoolDatasetMixin`.

    Raises:
        ADSError: see :class:`PoolDatasetMixin`.
    """

    def __init__(self, *args: Any, data_prefix: dict | None = None, **kwargs: Any) -> None:
        data_prefix = dict(img="") if data_prefix is None else dict(data_prefix)
        if "img" not in data_prefix:
            raise ADSError(
                f"`data_prefix` of CocoDataset is {data_prefix}; name the image folder as "
                "dict(img='...')."
            )
        super().__init__(*args, data_prefix=data_prefix, **kwargs)

    def image_paths(self) -> dict[str, str]:
        paths: dict[str, str] = {}
        spelt: dict[str, str] = {}
        for image in section(self._read(), "images", Path(self.ann_file)):
            name = image.get("file_name")
            if not isinstance(name, str) or not name:
                raise ADSError(f"{self.ann_file} has an image without `file_name`; add it.")
            other = spelt.setdefault(os.path.normpath(name), name)
            if name in paths or other != name:
                also = f", also as {other!r}" if other != name else ""
                raise ADSError(f"{self.ann_file} names {name!r} twice in `images`{also}; keep one.")
            if ".." in PurePath(name).parts or PurePath(name).is_absolute():
                raise ADSError(
                    f"{self.ann_file} names {name!r}, which leads out of the image folder; "
                    "use paths below `data_prefix`."
                )
            paths[name] = os.path.join(self.data_prefix["img"], name)
        self._check_files(paths)
        return paths

    def load_labeled(self, paths: dict[str, str]) -> list[dict]:
        content, file = self._read(), Path(self.ann_file)
        names = category_names(content, file)
        self._match_categories(names)
        by_number = by_id(content, "images", file)
        self._check_numbers("images", by_number)  # CocoMetric wants them
        images = {image["file_name"]: image for image in by_number.values()}
        annotations: dict[Any, list[tuple[str, dict]]] = {images[i]["id"]: [] for i in paths}
        for where, annotation in annotations_of(content, by_number, file):
            if annotation["image_id"] in annotations:
                annotations[annotation["image_id"]].append((where, annotation))
        all_boxes = (bbox_of(a, where) for found in annotations.values() for where, a in found)
        check_pixels(all_boxes, file)
        return [self._load_item(images[i], annotations[images[i]["id"]], names) for i in paths]

    def absent_classes(self) -> list[str]:
        content, file = self._read(), Path(self.ann_file)
        names = category_names(content, file)
        images = by_id(content, "images", file)
        numbers = {a.get("category_id") for _, a in annotations_of(content, images, file)}
        found = {name for number, name in names.items() if number in numbers}
        return [name for name in self.metainfo["classes"] if name not in found]

    def _read(self) -> Any:
        if not os.path.exists(self.ann_file):
            raise ADSError(
                f"The annotation file {self.ann_file} does not exist; data/README.md says what to "
                "put where."
            )
        return load_json(Path(self.ann_file))

    def _check_numbers(self, name: str, numbers: Iterable[object]) -> None:
        text = next((number for number in numbers if not isinstance(number, int)), None)
        if text is not None:
            raise ADSError(
                f"{self.ann_file} has the text {text!r} as an `id` in `{name}`; renumber with "
                "whole numbers."
            )

    def _check_files(self, paths: dict[str, str]) -> None:
        folders = {os.path.dirname(path) for path in paths.values()}
        files = {f: set(os.listdir(f)) if os.path.isdir(f) else set() for f in folders}
        missing = [
            path
            for path in paths.values()
            if os.path.basename(path) not in files[os.path.dirname(path)]
            and not os.path.exists(path)  # other spelling on a case-insensitive disk
        ]
        if missing:
            raise ADSError(
                f"{self.ann_file} names the image {missing[0]}{and_more(len(missing) - 1)}, which "
                "does not exist; put it there or correct `data_prefix`."
            )

    def _match_categories(self, names: dict[Any, str]) -> None:
        """Set mmdet's table of classes from all names by category id."""
        self._check_numbers("categories", names)
        classes, twice = list(self.metainfo["classes"]), first_twice(list(names.values()))
        if twice is not None:
            raise ADSError(f"{self.ann_file} has two categories {twice!r}; keep one of them.")
        missing = [name for name in classes if name not in names.values()]
        if missing:
            raise ADSError(
                f"{self.ann_file} has no category {missing[0]!r}{and_more(len(missing) - 1)}; it "
                f"names {', '.join(sorted(map(repr, names.values())))}: correct "
                "`metainfo.classes`."
            )
        order = [name for name in names.values() if name in classes]
        if order != classes:  # CocoMetric numbers the classes as the file does
            raise ADSError(
                f"{self.ann_file} names the categories in the order {tuple(order)}; write "
                "`metainfo.classes` in that order."
            )
        self.cat2label = {i: classes.index(name) for i, name in names.items() if name in classes}
        self.cat_ids = list(self.cat2label)

    def _load_item(
        self, image: dict, annotations: list[tuple[str, dict]], names: dict[Any, str]
    ) -> dict:
        name, where = image["file_name"], f"{self.ann_file}: image {image['file_name']!r}"
        for key in ("width", "height"):
            if image.get(key) is None:
                raise ADSError(f"{where} has no `{key}`, which COCO's format requires; add it.")
        stated = read_size(image["width"], where), read_size(image["height"], where)
        size = true_size(where, os.path.join(self.data_prefix["img"], name), stated)
        usable = []
        for place, annotation in annotations:
            category = category_of(annotation, names, place)
            ignored = any([is_set(flag, annotation, place) for flag in ("iscrowd", "ignore")])
            x, y, width, height = bbox_of(annotation, place)
            if category not in self.cat2label:
                self.notes.other_classes[names[category]] += 1
            elif self.notes.takes(
                name, (x, y, x + width, y + height), size, annotation["bbox"]
            ):  # mmdet drops the others silently
                box = dict(bbox=annotation["bbox"], area=width * height)
                # mmdet drops what has `ignore`; what has `iscrowd` does not count
                usable.append(annotation | box | dict(iscrowd=int(ignored), ignore=0))
        image = dict(image, img_id=image["id"], width=size[0], height=size[1])
        item = self.parse_data_info(dict(raw_img_info=image, raw_ann_info=usable))
        return item | dict(pool_id=name)  # img_id is COCO's number here
