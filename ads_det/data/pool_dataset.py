"""What every data set of a pool can do: name its images and open only the labels asked for."""

from __future__ import annotations

import copy
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from typing import Any

from PIL import Image

from ads_det.data.notes import Notes, and_more
from ads_det.data.readable import find_unreadable, loader_refuses
from ads_det.errors import ADSError
from ads_det.files import first_twice, read_ids
from ads_det.garbage import uncollected
from ads_det.labels.sizes import open_upright


def pool_id(item: dict) -> str:
    """The id in the pool of a data item, whose ``img_id`` may be what a metric calls it."""
    name: str = item.get("pool_id", item["img_id"])
    return name


class PoolDataset:
    """What the loop needs of a data set, whatever its task.

    Args of every data set: ``ids`` (to load, in that order, or the path of a list; all unless
    given) and ``load_annotations`` (if False no label is kept or opened, as for the unlabelled).
    """

    ids: str | os.PathLike[str] | Sequence[str] | None
    load_annotations: bool
    takes_classes = False  # whether an argument `classes` numbers them
    metainfo: Any  # a mapping; `classes` may be known only when the images are

    @abstractmethod
    def image_ids(self) -> list[str]:
        """Ids of all images, in a fixed order; opens no annotation."""

    def loaded_ids(self) -> list[str]:
        """Ids of the images that are loaded, in the order of the items."""
        return [pool_id(item) for item in self._items()]

    def _items(self) -> Iterable[dict]:
        """The items as they are; ``get_data_info`` copies each."""
        self.full_init()
        return getattr(self, "data_list", ()) or map(self.get_data_info, range(len(self)))

    @abstractmethod
    def open_image(self, name: str) -> Image.Image:
        """The image of an id, RGB."""

    @abstractmethod
    def count_objects(self) -> dict[str, int]:
        """Number of annotated objects in each image that is loaded."""

    @abstractmethod
    def class_counts(self) -> dict[str, int]:
        """Number of annotated objects of each class in the images that are loaded."""

    def unreadable_images(self, ids: Sequence[str] | None = None) -> dict[str, str]:
        """Ids of the images that cannot be read, with the reason; of some, or of all. Data sets
        that read all their images at once have none: they stop at the first that they cannot
        read."""
        return {}

    def image_files(self) -> dict[str, str]:
        """Paths of the images asked for by id; of none that have no file of their own."""
        return {}

    def known_classes(self) -> Sequence[str]:
        """Names of the classes, as far as they are known without reading images."""
        return ()

    def absent_classes(self) -> list[str]:
        """Classes that no label of the whole data set names."""
        return []

    @abstractmethod
    def where(self) -> str:
        """How messages name this data set."""

    def _asked_for(self, known: Container[str]) -> Sequence[str]:
        """The ids of ``ids``.

        Raises:
            ADSError: if the list is empty or names an image twice or one that is not known.
        """
        if isinstance(self.ids, (str, os.PathLike)):
            ids: Sequence[str] = read_ids(self.ids)
            source = f"The id list {os.fspath(self.ids)}"
        else:
            ids, source = self.ids or (), "The list `ids`"
        if not ids:
            raise ADSError(f"{source} names no image; give at least one id.")
        twice = first_twice(ids)
        if twice is not None:
            raise ADSError(f"{source} names {twice!r} twice; keep one of the two.")
        unknown = [i for i in ids if i not in known]
        if unknown:
            raise ADSError(
                f"{source} names {unknown[0]!r}{and_more(len(unknown) - 1)}, which "
                f"{self.where()} does not contain; use ids such as {self.image_ids()[0]!r}."
            )
        return ids


class PoolDatasetMixin(PoolDataset):
    """Mixin for an mmdet data set whose images are named by string ids.

    Args:
        ids, load_annotations: see :class:`PoolDataset`; without annotations none needs to exist.
        **kwargs: arguments of the data set.

    Raises:
        ADSError: when the data are loaded, if files, ids or classes do not fit together.
    """

    def __init__(
        self,
        *args: Any,
        ids: str | os.PathLike[str] | Sequence[str] | None = None,
        load_annotations: bool = True,
        **kwargs: Any,
    ) -> None:
        self.ids = ids
        self.load_annotations = load_annotations
        self._paths: dict[str, str] | None = None
        self.notes = Notes()
        super().__init__(*args, **kwargs)

    def image_paths(self) -> dict[str, str]:
        """Path of every image by its id, in a fixed order; opens no annotation."""
        raise NotImplementedError

    def image_ids(self) -> list[str]:
        self._paths = self.image_paths()
        return list(self._paths)

    def open_image(self, name: str) -> Image.Image:
        if self._paths is None:
            self._paths = self.image_paths()
        return open_upright(self._paths[name])

    def unreadable_images(self, ids: Sequence[str] | None = None) -> dict[str, str]:
        if ids is None:
            return find_unreadable(self.image_files())
        paths = self.image_paths()
        return find_unreadable({i: paths[i] for i in ids})

    def prepare_data(self, idx: int) -> Any:
        """As in mmengine, but an image that cannot be read is no crash.

        Without annotations the next image that can be read stands in, with the id of the one
        that cannot and ``unreadable=True`` in its meta information: a phase loses nothing, and
        the selection leaves it out.

        Raises:
            ADSError: if a labelled or a test image cannot be read, or none can.
        """
        try:
            if not os.path.isfile(self._path(idx)):
                raise FileNotFoundError  # a named pipe would be read for ever
            return super().prepare_data(idx)  # type: ignore[misc]
        except ADSError:
            raise
        except Exception as error:
            item = self.get_data_info(idx)
            if not loader_refuses(item["img_path"]):
                raise
            if self.load_annotations:
                raise ADSError(
                    f"The image {item['img_path']} cannot be read; restore it and run again with "
                    "--resume."
                ) from error
            return self._stand_in(idx, item["img_id"])

    def get_data_info(self, idx: int) -> dict:
        """As in mmengine, but numbers and names are not copied by the general copier."""
        if self.serialize_data or not self._fully_initialized:
            return super().get_data_info(idx)  # type: ignore[misc]
        return _copied(self.data_list[idx]) | dict(sample_idx=idx if idx >= 0 else len(self) + idx)

    def _path(self, idx: int) -> str:
        """Of an image, without a copy of its whole item."""
        plain = type(self).get_data_info is PoolDatasetMixin.get_data_info
        if self.serialize_data or not plain or not self._fully_initialized:
            return self.get_data_info(idx)["img_path"]
        return self.data_list[idx]["img_path"]

    def _stand_in(self, idx: int, image_id: str) -> Any:
        for step in range(1, len(self)):
            other = (idx + step) % len(self)
            if not os.path.isfile(self._path(other)):
                continue
            with suppress(Exception):
                data = super().prepare_data(other)  # type: ignore[misc]
                data["data_samples"].set_metainfo(dict(img_id=image_id, unreadable=True))
                return data
        raise ADSError(f"No image of {self.where()} can be read; check the folder.")

    def count_objects(self) -> dict[str, int]:
        return {pool_id(item): len(item["instances"]) for item in self._items()}

    def class_counts(self) -> dict[str, int]:
        labels = Counter(box["bbox_label"] for item in self._items() for box in item["instances"])
        return {name: labels[i] for i, name in enumerate(self.metainfo["classes"])}

    def image_files(self) -> dict[str, str]:
        paths = self.image_paths()
        return paths if self.ids is None else {i: paths[i] for i in self._asked_for(paths)}

    def known_classes(self) -> Sequence[str]:
        return tuple(self.metainfo.get("classes") or ())

    def load_labeled(self, paths: dict[str, str]) -> list[dict]:
        """Data items with annotations of the images in ``paths``, in that order."""
        raise NotImplementedError

    @uncollected()
    def load_data_list(self) -> list[dict]:
        """Data items of the ids asked for.

        Raises:
            ADSError: if an id of ``ids`` names no image of the data set, none is left, or
                none of the configured classes occurs.
        """
        paths = self.image_paths()
        if not paths:
            raise ADSError(f"{self.where()} contains no image; check the folder and the id lists.")
        if self.ids is not None:
            paths = {i: paths[i] for i in self._asked_for(paths)}
        if not self.load_annotations:
            return [dict(img_id=i, img_path=path) for i, path in paths.items()]
        self._check_classes()
        items = self.load_labeled(paths)
        self._report(sum(len(item["instances"]) for item in items))
        self.notes.report_doubles(self.where(), items)
        return items

    def filter_data(self) -> list[dict]:
        """The items that ``filter_cfg`` keeps: ``filter_empty_gt`` and ``min_size``.

        As in mmdet, nothing is filtered in test mode; nor is it without annotations.

        Raises:
            ADSError: if no image is left.
        """
        if not self.load_annotations or self.test_mode or not self.filter_cfg:
            return self.data_list
        drop_empty = self.filter_cfg.get("filter_empty_gt", False)
        min_size = self.filter_cfg.get("min_size", 0)
        kept = [
            item
            for item in self.data_list
            if (item["instances"] or not drop_empty)
            and min(item["width"], item["height"]) >= min_size
        ]
        if not kept:
            raise ADSError(
                f"None of the {len(self.data_list)} images asked of {self.where()} passes "
                f"`filter_cfg` {dict(self.filter_cfg)} (filter_empty_gt: at least one object of "
                "the configured classes); check `metainfo.classes` and the annotations."
            )
        return kept

    def where(self) -> str:
        return f"the data set {self.ann_file or self.data_root}"

    def _check_classes(self) -> None:
        classes = self.metainfo.get("classes")
        if isinstance(classes, str):
            raise ADSError(
                f"`metainfo.classes` is the text {classes!r}, which names no file; write a single "
                f"class as ({classes!r},), with the comma."
            )
        if not classes or first_twice(list(classes)) is not None:
            raise ADSError(
                f"`metainfo.classes` is {classes!r}; name at least one class, and none twice."
            )

    def _report(self, num_boxes: int) -> None:
        """Say what is odd in the annotations."""
        # a few images asked for by id, unfiltered, may well show nothing of interest
        must_have = self.ids is None or bool((self.filter_cfg or {}).get("filter_empty_gt"))
        self.notes.report(self.where(), self.metainfo["classes"], num_boxes, must_have)


def _copied(value: Any) -> Any:
    """A copy of an item of a data set, which a pipeline may change at any depth."""
    if type(value) is dict:
        return {key: _copied(entry) for key, entry in value.items()}
    if type(value) is list:
        return [_copied(entry) for entry in value]
    return value if type(value) in (str, int, float, bool) else copy.deepcopy(value)
