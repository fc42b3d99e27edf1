"""Classification data: all images of a set as one array in memory."""

from __future__ import annotations

import functools
import io
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any, NamedTuple

import numpy as np
import torch
import torchvision.datasets as tv
from mmengine.structures import BaseDataElement
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import Dataset

from ads_det.data.pool_dataset import PoolDataset
from ads_det.errors import ADSError
from ads_det.registry import DATASETS, FUNCTIONS

DIGITS_TEST = 500  # the last images of the digits, whose writers differ from those before


class Images(NamedTuple):
    """Content of a data set: names, pixels (N, H, W, 3) of type uint8, labels (N,)."""

    ids: list[str]
    pixels: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]


@FUNCTIONS.register_module()
def whole_batch(batch: dict[str, Any]) -> dict[str, Any]:
    """The ``collate_fn`` of these data sets, which give whole batches."""
    return batch


class ClassificationDataset(PoolDataset, Dataset):
    """Images and classes in memory; a loader gets whole batches, never single images.

    A batch is a dict of ``inputs``, uint8 of shape (N, 3, H, W), and ``data_samples``, one data
    element with ``img_id`` (N names) and, unless ``load_annotations`` is False, ``labels`` (N,).
    Loaders need ``collate_fn=dict(type='ads_det.whole_batch')``.

    Args:
        data_root: folder of the data.
        ids: the ids to load, in that order, or the path of a text file that lists them; all
            images unless given.
        load_annotations: if False the labels are dropped, should they come with the images.
        lazy_init: read nothing until :meth:`full_init`.

    Raises:
        ADSError: when the data are loaded, if files or ids do not fit together.
    """

    def __init__(
        self,
        data_root: str = "",
        ids: str | Sequence[str] | None = None,
        load_annotations: bool = True,
        lazy_init: bool = False,
    ) -> None:
        self.data_root, self.ids = data_root, ids
        self.load_annotations = load_annotations
        self.metainfo: dict[str, Any] = {}  # the classes, once they are known
        self._names: list[str] | None = None
        if not lazy_init:
            self.full_init()

    @abstractmethod
    def load(self) -> Images:
        """Everything there is; reading it twice should cost nothing."""

    def _load(self) -> Images:
        images = self.load()
        self.metainfo = dict(classes=images.classes)
        return images

    def full_init(self) -> None:
        """Take what ``ids`` asks for; a second call does nothing."""
        if self._names is not None:
            return
        images = self._load()
        position = {name: i for i, name in enumerate(images.ids)}
        self._names = images.ids if self.ids is None else list(self._asked_for(position))
        chosen = np.array([position[name] for name in self._names])
        # a copy only where a part is asked for: (N, 3, H, W) seen, (N, H, W, 3) in memory
        pixels = images.pixels if self.ids is None else images.pixels[chosen]
        self._pixels = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        if self.load_annotations:
            self._labels = torch.from_numpy(images.labels[chosen])

    def __len__(self) -> int:
        self.full_init()
        assert self._names is not None
        return len(self._names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """A batch of one."""
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> dict[str, Any]:
        """A batch; torch's loaders prefer this method where it exists."""
        self.full_init()
        assert self._names is not None
        sample = BaseDataElement(metainfo=dict(img_id=[self._names[i] for i in indices]))
        if self.load_annotations:
            sample.labels = self._labels[indices]
        return dict(inputs=self._pixels[indices], data_samples=sample)

    def get_data_info(self, index: int) -> dict[str, Any]:
        """Facts about an image, as mmengine's data sets give them."""
        self.full_init()
        assert self._names is not None
        label = dict(gt_label=int(self._labels[index])) if self.load_annotations else {}
        return dict(img_id=self._names[index], **label)

    def channel_statistics(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of each channel over all images, whatever ``ids`` asks
        for: the pixels of a pool are known, only its labels are not."""
        pixels = self.load().pixels.reshape(-1, 3)
        counts = [np.bincount(pixels[:, c], minlength=256) / len(pixels) for c in range(3)]
        values = np.arange(256)
        mean = [float(count @ values) for count in counts]
        std = [float((count @ (values - m) ** 2) ** 0.5) for count, m in zip(counts, mean)]
        return mean, std

    # -- what the loop needs ----------------------------------------------------------------

    def image_ids(self) -> list[str]:
        return list(self._load().ids)

    def open_image(self, name: str) -> Image.Image:
        images = self.load()
        return Image.fromarray(images.pixels[images.ids.index(name)])

    def count_objects(self) -> dict[str, int]:
        """One for each image: its class."""
        self.full_init()
        assert self._names is not None
        return dict.fromkeys(self._names, 1)

    def class_counts(self) -> dict[str, int]:
        self.full_init()
        counts = np.bincount(self._labels.numpy(), minlength=len(self.metainfo["classes"]))
        return dict(zip(self.metainfo["classes"], counts.tolist(), strict=True))

    def known_classes(self) -> Sequence[str]:
        return tuple(self.metainfo.get("classes") or ())

    def absent_classes(self) -> list[str]:
        images = self._load()
        found = {images.classes[i] for i in np.unique(images.labels)}
        return [name for name in images.classes if name not in found]

    def where(self) -> str:
        return f"the data set {self.data_root or type(self).__name__}"


@DATASETS.register_module()
class CIFARDataset(ClassificationDataset):
    """CIFAR-10 or CIFAR-100 in the format of their authors, read by torchvision.

    Ids are ``train/00017`` and ``test/00017``, by position in the files.

    Args:
        data_root: folder that holds ``cifar-10-batches-py`` or ``cifar-100-python``.
        num_classes: 10 or 100.
        train: the 50,000 training images, else the 10,000 test images.
        **kwargs: arguments of :class:`ClassificationDataset`.

    Raises:
        ADSError: if the files are not there, or an argument has no meaning.
    """

    def __init__(
        self, data_root: str, num_classes: int = 10, train: bool = True, **kwargs: Any
    ) -> None:
        self.num_classes, self.train = num_classes, train
        super().__init__(data_root, **kwargs)

    def load(self) -> Images:
        return _load_cifar(self.data_root, self.num_classes, self.train)


@DATASETS.register_module()
class DigitsDataset(ClassificationDataset):
    """The 1,797 handwritten digits of 8x8 pixels that scikit-learn ships; no file is needed.

    Args:
        train: the first 1,297 images, else the last 500, which other people wrote.
        **kwargs: arguments of :class:`ClassificationDataset`.
    """

    def __init__(self, train: bool = True, **kwargs: Any) -> None:
        self.train = train
        super().__init__(**kwargs)

    def load(self) -> Images:
        return _load_digits(self.train)


# -- readers, which remember: every cycle builds five data sets of the same images --------------


def _numbered(train: bool, count: int) -> list[str]:
    return [f"{'train' if train else 'test'}/{i:05d}" for i in range(count)]


@functools.lru_cache(maxsize=4)
def _load_cifar(root: str, num_classes: int, train: bool) -> Images:
    data = _torchvision_cifar(num_classes)
    try:
        cifar = data(root, train=train)
    except RuntimeError as error:
        raise ADSError(
            f"CIFAR-{num_classes} is not in {root or '.'}, or broken; data/README.md says what to "
            "put where, and active_learning.prepare of the CIFAR configs downloads it."
        ) from error
    ids = _numbered(train, len(cifar.data))
    return Images(ids, cifar.data, np.array(cifar.targets, np.int64), tuple(cifar.classes))


def _torchvision_cifar(num_classes: int) -> type[tv.CIFAR10]:
    if num_classes not in (10, 100):
        raise ADSError(f"CIFARDataset.num_classes is {num_classes!r}; use 10 or 100.")
    return tv.CIFAR10 if num_classes == 10 else tv.CIFAR100


def download_cifar(data_root: str, num_classes: int = 10) -> None:
    """Download and unpack CIFAR (170 MB), unless it is there, for ``active_learning.prepare``.

    Raises:
        ADSError: if that fails.
    """
    try:
        with redirect_stdout(io.StringIO()):
            _torchvision_cifar(num_classes)(data_root, download=True)
    except (OSError, RuntimeError) as error:
        raise ADSError(
            f"CIFAR-{num_classes} could not be downloaded to {data_root} ({error}); fetch it "
            "elsewhere and put it there as data/README.md says."
        ) from error


@functools.lru_cache(maxsize=2)
def _load_digits(train: bool) -> Images:
    digits = load_digits()
    part = slice(None, -DIGITS_TEST) if train else slice(-DIGITS_TEST, None)
    grey = (digits.images[part] * (255 / 16)).round().astype(np.uint8)
    labels = digits.target[part].astype(np.int64)
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return Images(
        _numbered(train, len(grey)), np.repeat(grey[..., None], 3, axis=-1), labels, names
    )
