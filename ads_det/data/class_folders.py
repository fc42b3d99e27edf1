"""Classification data in one folder of images a class."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torchvision.datasets as tv

from ads_det.data.classification import ClassificationDataset, Images
from ads_det.data.notes import and_more
from ads_det.data.readable import is_text
from ads_det.errors import ADSError
from ads_det.labels.sizes import open_upright
from ads_det.registry import DATASETS


@DATASETS.register_module()
class ClassFolderDataset(ClassificationDataset):
    """A folder with one folder of images a class, read by torchvision's ImageFolder.

    Ids are paths relative to ``data_root``, so they tell the class to a person; nothing here
    looks at that. Classes are the folders in alphabetical order, unless ``classes`` says another.

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
        root = Path(self.data_root)
        folders = sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
        return tuple(self.classes or folders)

    def image_files(self) -> dict[str, str]:
        self.full_init()
        assert self._names is not None
        return {name: str(Path(self.data_root, name)) for name in self._names}


@functools.lru_cache(maxsize=4)
def _load_folder(root: str, size: int, classes: tuple[str, ...] = ()) -> Images:
    try:
        folder = tv.ImageFolder(root, loader=open_upright)
    except FileNotFoundError as error:
        raise ADSError(
            f"The folder {root or '.'} is missing, or not every folder in it holds images "
            f"({error}); correct `data_root`: it must hold one folder of images a class."
        ) from error
    paths = [Path(path).relative_to(folder.root).as_posix() for path, _ in folder.samples]
    odd = next((name for name in (*folder.classes, *paths) if not is_text(name)), None)
    if odd is not None:
        raise ADSError(
            f"{root} holds {odd!r}, whose name breaks a line or cannot be shown; rename it."
        )
    classes = classes or tuple(folder.classes)
    unknown = [name for name in folder.classes if name not in classes]
    if unknown:
        raise ADSError(
            f"The folder {root} has a folder {unknown[0]!r}{and_more(len(unknown) - 1)}, which is "
            f"none of the classes of the training images ({', '.join(classes)}); rename or remove "
            "it."
        )
    number = [classes.index(name) for name in folder.classes]
    pixels = np.empty((len(folder.samples), size, size, 3), np.uint8)
    for i, (path, _) in enumerate(folder.samples):
        try:
            image = folder.loader(path)
        except Exception as error:  # Pillow's plug-ins raise whatever they like
            raise ADSError(f"The image {path} cannot be read ({error}); replace it.") from error
        pixels[i] = image if image.size == (size, size) else image.resize((size, size))
    return Images(paths, pixels, np.array([number[t] for t in folder.targets], np.int64), classes)
