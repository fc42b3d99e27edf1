"""Epochs on unlabelled images between the label epochs."""

from __future__ import annotations

import copy
import logging
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from typing import Any

from mmengine.config import Config
from mmengine.hooks import DistSamplerSeedHook
from mmengine.logging import print_log
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ads_det.console import say
from ads_det.engine.methods.base import Method
from ads_det.engine.seeding import derive_seed
from ads_det.errors import ADSError


class UnlabeledEpochs(Method):
    """A method that looks at unlabelled images before some label epochs (Algorithm 1).

    Epoch 0 is always label training alone. What :meth:`run_parts` yields goes to the MessageHub
    as ``train/<part>_*``, so that every log and visualiser has it.

    Args:
        interval: label epochs from one unlabelled epoch to the next.
        begin: first label epoch with an unlabelled one before it, at least 1.
        epochs: number of unlabelled epochs; unlimited unless given.
        images_per_epoch: images of one pass: a number, or as a float a multiple of the labelled
            images; all of them unless given.

    Raises:
        ADSError: if an argument has no meaning.
    """

    sees_unlabeled = True
    keeps = frozenset({"interval", "begin", "epochs", "images_per_epoch"})

    def __init__(
        self,
        interval: int = 1,
        begin: int = 1,
        epochs: int | None = None,
        images_per_epoch: int | float | None = None,
    ) -> None:
        for name, value in (("interval", interval), ("begin", begin), ("epochs", epochs)):
            is_unlimited = name == "epochs" and value is None
            if not is_unlimited and (type(value) is not int or value < 1):
                raise ADSError(
                    f"{type(self).__name__}.{name} is {value!r}; use a whole number of 1 or more."
                )
        is_number = type(images_per_epoch) in (int, float)
        if images_per_epoch is not None and not (is_number and 0 < images_per_epoch < 1e12):
            raise ADSError(
                f"{type(self).__name__}.images_per_epoch is {images_per_epoch!r}; use a positive "
                "number of images, as a float a multiple of the labelled ones, or None for all."
            )
        self.interval, self.begin, self.epochs = interval, begin, epochs
        self.images_per_epoch = images_per_epoch
        self.loader: DataLoader | None = None

    @abstractmethod
    def run_parts(self, runner: Runner) -> Iterator[tuple[str, Any]]:
        """One unlabelled epoch: the name of each part as it ends, and its statistics, a dataclass
        of numbers."""

    def check_config(self, cfg: Config) -> None:
        """Say so if no unlabelled epoch is due in a training."""
        epochs = (cfg.get("train_cfg") or {}).get("max_epochs")
        if type(epochs) is int and not any(map(self.is_due, range(epochs))):
            say(
                f"WARNING: method.begin={self.begin} lets no unlabelled epoch of "
                f"{type(self).__name__} come before the end of the training "
                f"(train_cfg.max_epochs={epochs}), which is plain training; begin earlier."
            )

    def is_due(self, epoch: int) -> bool:
        """Whether an unlabelled epoch comes before label epoch ``epoch`` (counted from 0)."""
        ordinal, rest = divmod(epoch - self.begin, self.interval)
        return rest == 0 and ordinal >= 0 and (self.epochs is None or ordinal < self.epochs)

    def before_train(self, runner: Runner) -> None:
        if runner.cfg.get("unlabeled_dataloader") is None:
            say("No unlabelled images: label training only.")
            return
        super().before_train(runner)
        self.loader = self._build_loader(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        if self.loader is None or not self.is_due(runner.epoch):
            return
        for part, stats in self.run_parts(runner):
            report(runner, part, stats)
        DistSamplerSeedHook().before_train_epoch(runner)  # labelled batches were drawn

    def _build_loader(self, runner: Runner) -> DataLoader:
        cfg = copy.deepcopy(runner.cfg.unlabeled_dataloader)
        dataset = DATASETS.build(cfg["dataset"])
        dataset.full_init()
        images = self.images_per_epoch
        if isinstance(images, float):
            images = max(round(images * len(runner.train_dataloader.dataset)), 1)
        num_samples = len(dataset) if images is None else min(images, len(dataset))
        cfg["dataset"] = dataset
        cfg["sampler"] = dict(type="ads_det.FixedLengthSampler", num_samples=num_samples)
        loader = runner.build_dataloader(cfg, seed=runner.seed)
        if not len(loader):
            raise ADSError(
                f"An epoch of unlabelled images ({num_samples}) fills no batch of "
                f"{cfg.get('batch_size', 1)}; take unlabeled_dataloader.drop_last out or lower its "
                "batch_size."
            )
        return loader


def report(runner: Runner, part: str, stats: Any) -> None:
    """Put the numbers of a dataclass into MessageHub and log, as those of ``part``."""
    values = asdict(stats)
    runner.message_hub.update_scalars({f"train/{part}_{k}": v for k, v in values.items()})
    text = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
    print_log(f"Epoch {runner.epoch} {part}: {text}", "current", logging.INFO)


def endless(loader: DataLoader) -> Iterator[dict]:
    """Batches of a loader without end, pass after pass over the same order of images."""
    while True:
        yield from loader


def labeled_batches(runner: Runner) -> Iterator[dict]:
    """Labelled batches without end, in an order that is a function of the epoch."""
    for epoch in count(derive_seed(runner.epoch, "labelled")):
        set_epoch(runner.train_dataloader, epoch)
        yield from runner.train_dataloader


def set_epoch(loader: DataLoader, epoch: int) -> None:
    """Tell the sampler, which may sit inside a batch sampler, from where to shuffle."""
    for sampler in (loader.sampler, getattr(loader.batch_sampler, "sampler", None)):
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)
            return
