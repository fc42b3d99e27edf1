"""VOC-format data: PASCAL VOC itself and own folders laid out like it."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from mmdet.datasets import VOCDataset as MMDetVOCDataset
from mmdet.datasets import XMLDataset
from mmengine.logging import print_log

from ads_det.data.pool_dataset import IMAGE_SUFFIXES, PoolDatasetMixin, read_ids
from ads_det.errors import ADSError
from ads_det.registry import DATASETS


@DATASETS.register_module()
class VOCDataset(PoolDatasetMixin, XMLDataset):
    """One or several VOC-format folders as one data set.

    Each list in ``ann_file`` is an ``ImageSets/Main/*.txt`` below ``data_root``. What stands
    before ``ImageSets`` is the folder that also holds ``JPEGImages`` and ``Annotations``, and
    the prefix of the ids: ``VOC2007/ImageSets/Main/trainval.txt`` gives ids such as
    ``VOC2007/000005``, ``ImageSets/Main/trainval.txt`` gives ``000005``. Images may be of any
    common format. Classes default to the twenty of PASCAL VOC.

    Args:
        ann_file: a path or a list of paths relative to ``data_root``.
        **kwargs: as in mmdet's XMLDataset and :class:`PoolDatasetMixin`.
    """

    METAINFO = MMDetVOCDataset.METAINFO

    def __init__(self, ann_file: str | list[str], **kwargs: Any) -> None:
        self.image_sets = [ann_file] if isinstance(ann_file, str) else list(ann_file)
        self._skipped: list[str] = []
        self._unknown: Counter[str] = Counter()
        super().__init__(ann_file="", **kwargs)

    def image_paths(self) -> dict[str, str]:
        root = Path(self.data_root)
        if not root.is_dir():
            raise ADSError(
                f"The data folder {root} does not exist; data/README.md says what to put where, "
                "and --cfg-options or the config's `data_root` can name another place."
            )
        paths: dict[str, str] = {}
        for image_set in self.image_sets:
            prefix = image_set.partition("ImageSets")[0]
            files = self._list_images(root / prefix / self.img_subdir)
            for name in read_ids(root / image_set):
                if name not in files:
                    raise ADSError(
                        f"{root / image_set} names {name!r} but {root / prefix / self.img_subdir} "
                        "has no such image; add it or delete the line."
                    )
                paths[prefix + name] = files[name]
        return paths

    @staticmethod
    def _list_images(folder: Path) -> dict[str, str]:
        """Path by name without suffix of every image in a folder, from one directory scan."""
        if not folder.is_dir():
            raise ADSError(f"The image folder {folder} does not exist; see data/README.md.")
        files: dict[str, str] = {}
        for entry in os.scandir(folder):
            stem, suffix = os.path.splitext(entry.name)
            if suffix.lower() in IMAGE_SUFFIXES:
                if stem in files:
                    raise ADSError(
                        f"{entry.path} and {files[stem]} would share the id {stem!r}; rename one."
                    )
                files[stem] = entry.path
        return files

    def load_labeled(self, paths: dict[str, str]) -> list[dict]:
        self.cat2label = {name: i for i, name in enumerate(self.metainfo["classes"])}
        items = [self._load_item(image_id, path) for image_id, path in paths.items()]
        self._report(sum(len(item["instances"]) for item in items))
        return items

    def _load_item(self, image_id: str, path: str) -> dict:
        prefix, name = os.path.split(image_id)
        xml = Path(self.data_root, prefix, self.ann_subdir, f"{name}.xml")
        self._current = xml
        try:
            return self.parse_data_info(
                dict(img_id=image_id, file_name=path, xml_path=str(xml)),
            )
        except FileNotFoundError as error:
            raise ADSError(f"The annotation {xml} is missing; add it.") from error
        except (ET.ParseError, AttributeError, TypeError, ValueError) as error:
            raise ADSError(f"The annotation {xml} is no valid VOC XML ({error}).") from error

    def _parse_instance_info(self, raw_ann_info: Any, minus_one: bool = True) -> list[dict]:
        names = (obj.findtext("name") for obj in raw_ann_info.findall("object"))
        self._unknown.update(name for name in names if name not in self.cat2label)
        instances = []
        for instance in super()._parse_instance_info(raw_ann_info, minus_one):
            x1, y1, x2, y2 = instance["bbox"]
            if x1 < x2 and y1 < y2:
                instances.append(instance)
            else:  # log(0) in the box coder would turn the loss into NaN
                self._skipped.append(f"{self._current} ({x1 + 1}, {y1 + 1}, {x2 + 1}, {y2 + 1})")
        return instances

    def _report(self, num_boxes: int) -> None:
        """Say once what was left out of the annotations."""
        if self._skipped:
            print_log(
                f"Skipped {len(self._skipped)} box(es) without area: " + "; ".join(self._skipped),
                logger="current",
                level=30,
            )
        if self._unknown:
            found = ", ".join(f"{name!r} ({n})" for name, n in self._unknown.most_common(10))
            if num_boxes == 0:
                raise ADSError(
                    f"No object in {self.where()} has one of the configured classes "
                    f"{tuple(self.metainfo['classes'])}; it names {found}: correct "
                    "`metainfo.classes`."
                )
            print_log(f"Ignored objects of other classes: {found}", logger="current", level=30)

    def where(self) -> str:
        return f"{PurePosixPath(self.data_root)} ({', '.join(self.image_sets)})"
