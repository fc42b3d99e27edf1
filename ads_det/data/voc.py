"""VOC-format data: PASCAL VOC itself and own folders laid out like it."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

from mmdet.datasets import VOCDataset as MMDetVOCDataset
from mmdet.datasets import XMLDataset

from ads_det.data.pool_dataset import PoolDatasetMixin
from ads_det.data.readable import IMAGE_SUFFIXES
from ads_det.data.true_size import true_size
from ads_det.errors import ADSError
from ads_det.files import read_ids
from ads_det.labels.checks import finite, read_size
from ads_det.labels.voc import name_and_edges, read_annotation
from ads_det.labels.xml import text_of
from ads_det.registry import DATASETS

_SIZE = ("size/width", "size/height")


@DATASETS.register_module()
class VOCDataset(PoolDatasetMixin, XMLDataset):
    """One or several VOC-format folders as one data set.

    Each list in ``ann_file`` is an ``ImageSets/Main/*.txt`` below ``data_root``. What stands
    before ``ImageSets`` is the folder that also holds ``JPEGImages`` and ``Annotations``, and
    the prefix of the ids: ``VOC2007/ImageSets/Main/trainval.txt`` gives ids such as
    ``VOC2007/000005``, ``ImageSets/Main/trainval.txt`` (or any list elsewhere) gives ``000005``.
    An image that several lists name counts once. Images may be of any common format. Classes
    default to the twenty of PASCAL VOC.

    Boxes become 0-based as mmdet reads them: all four VOC numbers less one.

    Args:
        ann_file: a path or a list of paths relative to ``data_root``.
        **kwargs: as in mmdet's XMLDataset and :class:`PoolDatasetMixin`.

    Raises:
        ADSError: see :class:`PoolDatasetMixin`.
    """

    METAINFO = MMDetVOCDataset.METAINFO

    def __init__(self, ann_file: str | list[str], **kwargs: Any) -> None:
        lists = [ann_file] if isinstance(ann_file, str) else ann_file
        self.image_sets = [PurePosixPath(path).as_posix() for path in lists]
        super().__init__(ann_file="", **kwargs)

    @property
    def sub_data_root(self) -> str:
        """Empty: the paths are complete, whatever ``data_prefix`` mmdet's own configs give."""
        return ""

    def image_paths(self) -> dict[str, str]:
        root = Path(self.data_root or "")
        if not root.is_dir():
            raise ADSError(
                f"The data folder {root} does not exist; data/README.md says what to put where, "
                "and --cfg-options or the config's `data_root` can name another place."
            )
        paths: dict[str, str] = {}
        for image_set in self.image_sets:
            prefix = image_set.rpartition("ImageSets/")[0]
            folder = root / prefix / self.img_subdir
            files = _list_images(folder)
            for name in read_ids(root / image_set):
                if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
                    raise ADSError(
                        f"{root / image_set} names {name!r}, which leads out of the image folder; "
                        "use names of images in it."
                    )
                found = files.get(name, ())
                if not found:
                    raise ADSError(
                        f"{root / image_set} names {name!r} but {folder} has no image of that "
                        "name (without file extension); add it or delete the line."
                    )
                if len(found) > 1:
                    raise ADSError(
                        f"{found[0]} and {found[1]} would share the id {name!r}; rename or move "
                        "one of them."
                    )
                paths[prefix + name] = found[0]
        return paths

    def load_labeled(self, paths: dict[str, str]) -> list[dict]:
        self.cat2label = {name: i for i, name in enumerate(self.metainfo["classes"])}
        return [self._load_item(image_id, path) for image_id, path in paths.items()]

    def _load_item(self, image_id: str, path: str) -> dict:
        name = os.path.basename(image_id)
        xml = self._xml(image_id)
        try:
            root = read_annotation(xml)
        except ADSError:
            if os.path.lexists(xml):
                raise
            raise ADSError(
                f"The annotation {xml} is missing; add it, or take {name!r} off the id list."
            ) from None
        where = f"{xml} (`size`)"
        stated = [read_size(text_of(root, place), where) for place in _SIZE]
        if root.find("size") is not None and not all(map(root.findtext, _SIZE)):
            raise ADSError(f"{xml} has a `size` without width or height; complete it.")
        size = true_size(f"The annotation {xml}", path, (stated[0], stated[1]))
        instances = [
            instance
            for element in root.findall("object")
            if (instance := self._instance(element, xml, size)) is not None
        ]
        item = dict(img_id=image_id, img_path=path, xml_path=str(xml), instances=instances)
        return dict(item, width=size[0], height=size[1])

    def _instance(self, element: ET.Element, xml: Path, size: tuple[int, int]) -> dict | None:
        """An object as mmdet reads it; None if it is of another class, or has no area."""
        name, edges = name_and_edges(element, xml)
        difficult = text_of(element, "difficult") if element.find("difficult") is not None else "0"
        if not name or difficult not in ("0", "1"):
            raise ADSError(
                f"{xml} has an object {name!r} whose `name` is empty or whose `difficult` is "
                f"{difficult!r}, neither 0 nor 1; correct it."
            )
        try:
            box = [int(finite(edge)) - 1 for edge in edges]
        except ValueError as error:
            raise ADSError(
                f"{xml} has an object {name!r} whose `bndbox` is not made of finite numbers "
                f"({error}); correct it."
            ) from error
        if name not in self.cat2label:
            self.notes.other_classes[name] += 1
            return None
        if not self.notes.takes(str(xml), box, size, tuple(edge + 1 for edge in box)):
            return None
        least = self.bbox_min_size or 0
        is_small = box[2] - box[0] < least or box[3] - box[1] < least
        ignored = int(difficult == "1" or is_small)
        return dict(bbox=box, bbox_label=self.cat2label[name], ignore_flag=ignored)

    def absent_classes(self) -> list[str]:
        absent = set(self.metainfo["classes"])
        for image_id in self.image_paths():
            try:
                root = read_annotation(self._xml(image_id))
            except ADSError:  # it has its message when the label is asked for, and may never be
                return []
            absent -= {text_of(element, "name") for element in root.findall("object")}
            if not absent:
                break
        return [name for name in self.metainfo["classes"] if name in absent]

    def _xml(self, image_id: str) -> Path:
        prefix, name = os.path.split(image_id)
        return Path(self.data_root or "", prefix, self.ann_subdir, f"{name}.xml")

    def where(self) -> str:
        return f"the data set {PurePosixPath(self.data_root or '.')} ({', '.join(self.image_sets)})"


def _list_images(folder: Path) -> dict[str, list[str]]:
    """Paths by name without suffix of the images in a folder, from one directory scan."""
    if not folder.is_dir():
        raise ADSError(
            f"The image folder {folder} does not exist; data/README.md says what to put where."
        )
    files: dict[str, list[str]] = defaultdict(list)
    for entry in os.scandir(folder):
        stem, suffix = os.path.splitext(entry.name)
        if suffix.lower() in IMAGE_SUFFIXES:
            files[stem].append(entry.path)
    return files
