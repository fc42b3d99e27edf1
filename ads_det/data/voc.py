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
from ads_det.errors import ADSError
from ads_det.files import read_ids
from ads_det.registry import DATASETS


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
        self._current = Path()  # the annotation being read, for messages
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
        prefix, name = os.path.split(image_id)
        xml = self._current = Path(self.data_root or "", prefix, self.ann_subdir, f"{name}.xml")
        try:
            if b"<!ENTITY" in xml.read_bytes():  # a few lines of them expand to gigabytes
                raise ADSError(
                    f"The annotation {xml} defines XML entities, which VOC's format does not use; "
                    "remove them."
                )
            return self.parse_data_info(dict(img_id=image_id, file_name=path, xml_path=str(xml)))
        except FileNotFoundError as error:
            raise ADSError(
                f"The annotation {xml} is missing; add it, or take {name!r} off the id list."
            ) from error
        except OSError as error:
            raise ADSError(
                f"The annotation {xml} cannot be read ({error.strerror}); check the file."
            ) from error
        except (AttributeError, TypeError) as error:
            raise ADSError(
                f"The annotation {xml} lacks something that VOC's format requires (a `name` and a "
                "`bndbox` with xmin, ymin, xmax, ymax in each object; width and height in "
                "`size`); complete it."
            ) from error
        except (ET.ParseError, ValueError, OverflowError) as error:
            raise ADSError(
                f"The annotation {xml} is no valid VOC XML ({error}); correct it."
            ) from error

    def _parse_instance_info(self, raw_ann_info: Any, minus_one: bool = True) -> list[dict]:
        names = (obj.findtext("name", "") for obj in raw_ann_info.findall("object"))
        self._other_classes.update(name for name in names if name not in self.cat2label)
        instances = []
        for instance in super()._parse_instance_info(raw_ann_info, minus_one):
            x1, y1, x2, y2 = instance["bbox"]
            if x1 < x2 and y1 < y2:
                instances.append(instance)
            else:  # log(0) in the box coder would turn the loss into NaN
                box = (x1 + 1, y1 + 1, x2 + 1, y2 + 1)
                self._skipped[str(self._current)].append(str(box))
        return instances

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
