"""COCO-format data."""

from __future__ import annotations

import json
from pathlib import Path

from mmdet.datasets import CocoDataset as MMDetCocoDataset
from mmengine.logging import print_log

from ads_det.data.pool_dataset import PoolDatasetMixin
from ads_det.errors import ADSError
from ads_det.registry import DATASETS


@DATASETS.register_module()
class CocoDataset(PoolDatasetMixin, MMDetCocoDataset):
    """mmdet's COCO data set whose images are named by their ``file_name``.

    The list of images is read from the ``images`` section of ``ann_file``; with
    ``load_annotations=False`` nothing else of the file is used, so a file without annotations
    will do. ``data_prefix=dict(img=...)`` names the image folder.
    """

    def _read(self) -> dict:
        try:
            content = json.loads(Path(self.ann_file).read_text(encoding="utf-8"))
        except OSError as error:
            raise ADSError(
                f"The annotation file {self.ann_file} cannot be read ({error.strerror}); "
                "data/README.md says what to put where."
            ) from error
        except ValueError as error:
            raise ADSError(f"{self.ann_file} is no valid JSON ({error}).") from error
        if "images" not in content:
            raise ADSError(f"{self.ann_file} has no `images` section; it is no COCO file.")
        return content

    def image_paths(self) -> dict[str, str]:
        paths: dict[str, str] = {}
        for image in self._read()["images"]:
            if image["file_name"] in paths:
                raise ADSError(f"{self.ann_file} names {image['file_name']!r} twice in `images`.")
            paths[image["file_name"]] = str(Path(self.data_prefix["img"], image["file_name"]))
        return paths

    def load_labeled(self, paths: dict[str, str]) -> list[dict]:
        """Items as mmdet reads them (``img_id`` is COCO's number, which CocoMetric needs)."""
        content = self._read()
        names = {category["name"] for category in content.get("categories", ())}
        missing = [name for name in self.metainfo["classes"] if name not in names]
        if missing:
            raise ADSError(
                f"{self.ann_file} has no category {missing[0]!r}; it names "
                f"{', '.join(sorted(map(repr, names)))}: correct `metainfo.classes`."
            )
        flat = [a["image_id"] for a in content["annotations"] if min(a["bbox"][2:]) <= 0]
        if flat:
            print_log(
                f"Skipped {len(flat)} box(es) without area in {self.ann_file}, images {flat[:10]}",
                logger="current",
                level=30,
            )
        items = {item["img_path"]: item for item in super(PoolDatasetMixin, self).load_data_list()}
        return [items[path] for path in paths.values()]
