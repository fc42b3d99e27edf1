"""Classification data in one folder of images a class."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ads_det.console import say_once
from ads_det.data.classification import ClassificationDataset, Images
from ads_det.data.notes import and_more
from ads_det.data.readable import IMAGE_SUFFIXES, is_left_out, list_images
from ads_det.errors import ADSError
from ads_det.labels.sizes import open_upright
from ads_det.registry import DATASETS

_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}
_SUFFIXES = (*IMAGE_SUFFIXES, ".ppm", ".pgm")


@DATASETS.register_module()
class ClassFolderDataset(ClassificationDataset):
    """A folder with one folder of images a class.

    Ids are paths relative to ``data_root``, so they tell the class to a person; nothing here
    looks at that. :func:`list_images` says which files and folders are left out. Classes are the
    folders in alphabetical order, unless ``classes`` says another.

    Args:
        data_root: the folder.
        size: height and width to which images are resized, once, when they are read.
        classes: names in the order of their numbers, of which folders may be missing; the test
            data set gets those of the pool where it has none.
        **kwargs: arguments of :class:`ClassificationDataset`.

    Raises:
        ADSError: if the folder or an image cannot be read.
    """

    takes_classes = True

    def __init__(
        self,
        data_root: str,
        size: int = 32,
        classes: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.size, self.classes = size, classes
        super().__init__(data_root, **kwargs)

    def load(self) -> Images:
        return _load_folder(self.data_root, self.size, tuple(self.classes or ()))

    def known_classes(self) -> Sequence[str]:
        return tuple(self.classes or _folders(Path(self.data_root)))

    def image_files(self) -> dict[str, str]:
        self.full_init()
        assert self._names is not None
        return {name: str(Path(self.data_root, name)) for name in self._names}


def _folders(root: Path) -> list[str]:
    found = root.iterdir() if root.is_dir() else ()
    return sorted(path.name for path in found if path.is_dir() and not is_left_out(path.name))


@functools.lru_cache(maxsize=4)
def _load_folder(root: str, size: int, classes: tuple[str, ...] = ()) -> Images:
    folders, wanted = _folders(Path(root)), "it must hold one folder of images a class."
    if not folders:
        raise ADSError(
            f"{root or '.'} is missing or holds no folder; correct `data_root`: {wanted}"
        )
    found = list_images(root, _SUFFIXES)
    paths = sorted((name for name in found if "/" in name), key=lambda name: name.split("/"))
    if len(found) > len(paths):
        loose = next(name for name in found if "/" not in name)
        say_once(
            f"{len(found) - len(paths)} image(s) such as {loose!r} lie in {root} itself, so they "
            "are of no class and are passed over; put them into the folders of their classes."
        )
    named = [name.partition("/")[0] for name in paths]
    filled = set(named)
    empty = [name for name in folders if name not in filled]
    if empty:
        raise ADSError(
            f"The folder {empty[0]!r}{and_more(len(empty) - 1)} in {root or '.'} holds no images "
            f"of its own; remove it, or correct `data_root`: {wanted}"
        )
    if {name.lower() for name in folders} <= _SPLITS and all(n.count("/") > 1 for n in paths):
        raise ADSError(
            f"The folders of {root or '.'} are splits ({', '.join(folders)}), each with folders of "
            f"its own, and no classes; name one of them in `data_root`: {wanted}"
        )
    classes = classes or tuple(folders)
    unknown = [name for name in folders if name not in classes]
    if unknown:
        raise ADSError(
            f"The folder {root} has a folder {unknown[0]!r}{and_more(len(unknown) - 1)}, which is "
            f"none of the classes of the training images ({', '.join(classes)}); rename or remove "
            "it."
        )
    pixels = np.empty((len(paths), size, size, 3), np.uint8)
    for i, name in enumerate(paths):
        try:
            image = open_upright(found[name])
        except Exception as error:  # Pillow's plug-ins raise whatever they like
            raise ADSError(
                f"The image {found[name]} cannot be read ({error}); replace it."
            ) from error
        pixels[i] = image if image.size == (size, size) else image.resize((size, size))
    number = {name: place for place, name in enumerate(classes)}
    labels = np.array([number[name] for name in named], np.int64)
    return Images(paths, pixels, labels, classes)
