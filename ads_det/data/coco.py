"""COCO-format data."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from mmdet.datasets import CocoDataset as MMDetCocoDataset

from ads_det.data.pool_dataset import PoolDatasetMixin, and_more
from ads_det.errors import ADSError
from ads_det.registry import DATASETS


@DATASETS.register_module()
class CocoDataset(PoolDatasetMixin, MMDetCocoDataset):
    """mmdet's COCO data set whose images are named by their ``file_name``.

    The list of images is read from the ``images`` section of ``ann_file``; with
    ``load_annotations=False`` nothing else of the file is used, so a file without annotations
    will do. Every image must exist, which costs one listing of each image folder. Images are
    in the order of the file. Classes default to COCO's eighty.

    A labelled item's ``img_id`` is COCO's number, which CocoMetric needs; an unlabelled item's
    is the ``file_name``. The ``area`` of an annotation is not used and may be missing.

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
        images = self._read("images")["images"]
        paths: dict[str, str] = {}
        for image in images:
            name = image.get("file_name") if isinstance(image, dict) else None
            if not isinstance(name, str):
                raise ADSError(f"{self.ann_file} has an image without `file_name`; add it.")
            if name in paths:
                raise ADSError(f"{self.ann_file} names {name!r} twice in `images`; keep one.")
            if ".." in PurePath(name).parts or PurePath(name).is_absolute():
                raise ADSError(
                    f"{self.ann_file} names {name!r}, which leads out of the image folder; "
                    "use paths below `data_prefix`."
                )
            paths[name] = os.path.join(self.data_prefix["img"], name)
        self._check_files(paths)
        return paths

    def load_labeled(self, paths: dict[str, str]) -> list[dict]:
        content = self._read("images", "annotations", "categories")
        try:
            names = self._match_categories(content["categories"])
            images = {image["file_name"]: image for image in content["images"]}
            if len({image["id"] for image in images.values()}) < len(images):
                raise ADSError(f"{self.ann_file} gives two images the same `id`; renumber them.")
            annotations: dict[int, list[dict]] = defaultdict(list)
            wanted = {images[i]["id"] for i in paths}
            for annotation in content["annotations"]:
                if annotation["image_id"] in wanted:
                    annotations[annotation["image_id"]].append(annotation)
            return [self._load_item(images[i], annotations[images[i]["id"]], names) for i in paths]
        except KeyError as error:
            raise ADSError(
                f"{self.ann_file} has an entry without {error}, which COCO's format requires; "
                "complete it."
            ) from error
        except (TypeError, ValueError) as error:
            raise ADSError(
                f"{self.ann_file} has an entry that is not as COCO's format wants it ({error}); "
                "correct it."
            ) from error

    def _read(self, *sections: str) -> dict:
        try:
            content = json.loads(Path(self.ann_file).read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise ADSError(
                f"The annotation file {self.ann_file} cannot be read ({error.strerror}); "
                "data/README.md says what to put where."
            ) from error
        except ValueError as error:
            raise ADSError(
                f"The annotation file {self.ann_file} is no valid JSON ({error}); export it again."
            ) from error
        for section in sections:
            if not isinstance(content, dict) or not isinstance(content.get(section), list):
                raise ADSError(
                    f"{self.ann_file} has no list `{section}`, which COCO's format requires; "
                    "add it."
                )
        return content

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

    def _match_categories(self, categories: Sequence[dict]) -> dict[int, str]:
        """Set mmdet's table of classes; returns all names by category id."""
        classes, names = list(self.metainfo["classes"]), {c["id"]: c["name"] for c in categories}
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
        return names

    def _load_item(self, image: dict, annotations: list[dict], names: dict[int, str]) -> dict:
        usable = []
        for annotation in annotations:
            x, y, width, height = annotation["bbox"]
            inside = min(x + width, image["width"]) > max(x, 0) and min(
                y + height, image["height"]
            ) > max(y, 0)
            if annotation["category_id"] not in self.cat2label:
                category = annotation["category_id"]
                self._other_classes[names.get(category, f"category {category}")] += 1
            elif width >= 1 and height >= 1 and inside:  # mmdet drops the others silently
                usable.append(dict(annotation, area=width * height))
            else:
                self._skipped[image["file_name"]].append(str(annotation["bbox"]))
        image = dict(image, img_id=image["id"])
        return self.parse_data_info(dict(raw_img_info=image, raw_ann_info=usable))
