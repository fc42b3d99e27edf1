"""When the unlabelled phases run: Algorithm 1 as an mmengine hook."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from typing import Any

from mmengine.dist import all_reduce_params
from mmengine.hooks import DistSamplerSeedHook, Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ads_det.console import progress_bar, say
from ads_det.core.criterion import ADSCriterion
from ads_det.engine.phases import (
    LabelStats,
    PhaseStats,
    run_agreement,
    run_discrepancy,
    run_label_updates,
    unwrap,
)
from ads_det.engine.seeding import derive_seed, seed_everything
from ads_det.errors import ADSError
from ads_det.registry import HOOKS

PHASES = ("agreement", "discrepancy")
POSITIVE_FILTERS = ("predicted", "oracle", "none")


@HOOKS.register_module()
class ADSHook(Hook):
    """Agreement, then discrepancy, before a training epoch (Algorithm 1).

    Epoch 0 is always label training alone. Each phase has an optimiser of its own, built like
    the Runner's, whose learning rate follows the Runner's schedule. Losses, mean entropy, mean
    discrepancy and the number of images used go to the MessageHub as ``train/agreement_*`` and
    ``train/discrepancy_*``, so that every log and visualiser has them.

    Args:
        unlabeled_dataloader: config of the unlabelled loader, without sampler. Its data set
            must not read annotations. None leaves label training alone.
        interval: label epochs from one ADS epoch to the next.
        begin: first epoch with an ADS epoch before it, at least 1.
        epochs: number of ADS epochs; unlimited unless given.
        images_per_epoch: unlabelled images of one phase: a number, or as a float a multiple of
            the labelled images; all of them unless given.
        positive_filter: the paper uses 'positive images only'. ``'predicted'``: images in
            which the current model finds an object; ``'oracle'``: images that have one, which
            reads labels of the pool (the cycle filters the ids and says so); ``'none'``.
        positive_threshold: mean probability that makes an object, for ``'predicted'``.
        weighting: ``'calibration'``, ``'entropy'`` or ``'none'`` (Table 1).
        entropy_of: ``'mean'``, ``'max'`` or ``'min'`` (Table 2).
        tau: of Eq. 4 and 7.
        agreement: dict of ``loss_weight`` (1) and ``lr_mult`` (1), the phase's learning rate
            as a multiple of the Runner's; or, instead of ``lr_mult``, ``optimizer``: the config
            of an optimiser whose learning rate stays as it is.
        discrepancy: likewise; ``loss_weight`` scales the unlabelled term of Eq. 8.
        normalize: see :class:`~ads_det.core.criterion.ADSCriterion`.
        base: likewise.
        n_power: likewise.
        freeze_statistics: whether BatchNorm in g stands still in the discrepancy phase.
        equal_steps: the control of an honest comparison. Instead of the phases, each ADS epoch
            makes as many ordinary label updates as the two phases take batches, twice the
            length of the unlabelled loader, with the Runner's optimiser, learning rate and
            loss, on labelled batches in random order without end. One training then makes
            exactly the updates of ADS (with ``positive_filter='predicted'`` ADS makes none on
            an agreement batch without object, so the control has at least as many), each of
            which trains all parameters. Unlabelled images are counted, never read. The model
            may have one classifier or two. What concerns the phases alone has no effect.

    Raises:
        ADSError: if an argument has no meaning.
    """

    priority = "NORMAL"

    def __init__(
        self,
        unlabeled_dataloader: dict | None = None,
        interval: int = 1,
        begin: int = 1,
        epochs: int | None = None,
        images_per_epoch: int | float | None = None,
        positive_filter: str = "predicted",
        positive_threshold: float = 0.3,
        weighting: str = "calibration",
        entropy_of: str = "mean",
        tau: float = 0.1,
        agreement: dict | None = None,
        discrepancy: dict | None = None,
        normalize: bool = False,
        base: float = math.e,
        n_power: int = 1,
        freeze_statistics: bool = True,
        equal_steps: bool = False,
    ) -> None:
        for name, value in (("interval", interval), ("begin", begin), ("epochs", epochs)):
            is_unlimited = name == "epochs" and value is None
            if not is_unlimited and (type(value) is not int or value < 1):
                raise ADSError(f"ADSHook.{name} is {value!r}; use a whole number of 1 or more.")
        if positive_filter not in POSITIVE_FILTERS:
            raise ADSError(
                f"ADSHook.positive_filter is {positive_filter!r}; use one of "
                f"{', '.join(POSITIVE_FILTERS)}."
            )
        for name, flag in (("freeze_statistics", freeze_statistics), ("equal_steps", equal_steps)):
            if not isinstance(flag, bool):
                raise ADSError(f"ADSHook.{name} is {flag!r}; use True or False.")
        if type(positive_threshold) not in (int, float) or not 0 <= positive_threshold <= 1:
            raise ADSError(
                f"ADSHook.positive_threshold is {positive_threshold!r}; use a probability."
            )
        try:
            self.criterion = ADSCriterion(weighting, entropy_of, tau, normalize, base, n_power)
        except ValueError as error:
            raise ADSError(f"ADSHook: {error}.") from error
        self.settings = {
            phase: self._phase_settings(phase, given or {})
            for phase, given in zip(PHASES, (agreement, discrepancy), strict=True)
        }
        self.freeze_statistics, self.equal_steps = freeze_statistics, equal_steps
        is_number = type(images_per_epoch) in (int, float)
        if images_per_epoch is not None and not (is_number and images_per_epoch > 0):
            raise ADSError(
                f"ADSHook.images_per_epoch is {images_per_epoch!r}; use a positive number of "
                "images, as a float a multiple of the labelled ones, or None for all."
            )
        self.interval, self.begin, self.epochs = interval, begin, epochs
        self.images_per_epoch = images_per_epoch
        self.threshold = positive_threshold if positive_filter == "predicted" else None
        self.unlabeled_cfg = unlabeled_dataloader
        self._loader: DataLoader | None = None
        self._optim_wrappers: dict[str, OptimWrapper] = {}
        self._resumed_state: dict[str, dict] = {}

    @staticmethod
    def _phase_settings(phase: str, given: dict) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise ADSError(f"ADSHook.{phase} is {given!r}; use a dict of loss_weight and lr_mult.")
        settings = dict(loss_weight=1.0, lr_mult=1.0, optimizer=None) | given
        unknown = settings.keys() - {"loss_weight", "lr_mult", "optimizer"}
        if unknown:
            raise ADSError(
                f"ADSHook.{phase} has no {unknown.pop()!r}; it takes loss_weight and lr_mult or "
                "optimizer."
            )
        if settings["optimizer"] and "lr_mult" in given:
            raise ADSError(
                f"ADSHook.{phase} has both lr_mult and optimizer; an optimiser of its own has its "
                "own learning rate, so remove one of them."
            )
        return settings

    def is_due(self, epoch: int) -> bool:
        """Whether an ADS epoch comes before training epoch ``epoch`` (counted from 0)."""
        ordinal, rest = divmod(epoch - self.begin, self.interval)
        return rest == 0 and ordinal >= 0 and (self.epochs is None or ordinal < self.epochs)

    # -- life cycle -------------------------------------------------------------------------

    def before_train(self, runner: Runner) -> None:
        if self.unlabeled_cfg is None:
            say("No unlabelled images: label training only.")
            return
        if self.equal_steps:
            self._loader = self._build_loader(runner)  # for its length
            return
        if len(unwrap(runner.model).classifiers()) < 2:
            raise ADSError(
                "ADSHook needs two classifiers, but the model has one; set "
                "num_classifiers=2 (model.bbox_head.num_classifiers of a detector, "
                "model.num_classifiers of a classifier) or ads=None."
            )
        self._loader = self._build_loader(runner)
        self._optim_wrappers = {
            phase: self._build_optim_wrapper(runner, self.settings[phase]["optimizer"])
            for phase in PHASES
        }
        for phase, state in self._resumed_state.items():
            self._optim_wrappers[phase].load_state_dict(state)
        self._resumed_state = {}

    def before_train_epoch(self, runner: Runner) -> None:
        if self._loader is None or not self.is_due(runner.epoch):
            return
        for phase in ("label_updates",) if self.equal_steps else PHASES:
            stats = (
                self._run_label_updates(runner)
                if self.equal_steps
                else self._run_phase(runner, phase)
            )
            runner.message_hub.update_scalars(
                {f"train/{phase}_{name}": value for name, value in asdict(stats).items()}
            )
            print_log(
                f"Epoch {runner.epoch} {phase}: "
                + ", ".join(f"{k} {v:.4g}" for k, v in asdict(stats).items()),
                "current",
                logging.INFO,
            )
        DistSamplerSeedHook().before_train_epoch(runner)  # the discrepancy phase moved it

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint["ads_hook"] = {k: w.state_dict() for k, w in self._optim_wrappers.items()}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume:
            self._resumed_state = checkpoint.get("ads_hook", {})

    # -- phases -----------------------------------------------------------------------------

    def _run_phase(self, runner: Runner, phase: str) -> PhaseStats:
        seed_everything(runner.seed, runner.epoch, phase)
        optim_wrapper = self._optim_wrappers[phase]
        settings = self.settings[phase]
        if settings["optimizer"] is None:
            for own, main in zip(
                optim_wrapper.param_groups, runner.optim_wrapper.param_groups, strict=True
            ):
                own["lr"] = main["lr"] * settings["lr_mult"]
        _set_epoch(self._loader, derive_seed(runner.epoch, phase))
        batches = progress_bar(self._loader, f"epoch {runner.epoch} {phase}")
        common = dict(
            criterion=self.criterion,
            loss_weight=settings["loss_weight"],
            threshold=self.threshold,
        )
        if phase == "agreement":
            stats = run_agreement(runner.model, optim_wrapper, batches, **common)
            # the discrepancy phase normalises by the statistics, which each process has its own of
            all_reduce_params(unwrap(runner.model).buffers(), op="mean")
            return stats
        labeled = _endless(runner.train_dataloader, derive_seed(runner.epoch, "labelled"))
        return run_discrepancy(
            runner.model,
            optim_wrapper,
            batches,
            labeled,
            freeze_statistics=self.freeze_statistics,
            **common,
        )

    def _run_label_updates(self, runner: Runner) -> LabelStats:
        assert self._loader is not None
        seed_everything(runner.seed, runner.epoch, "label_updates")
        labeled = _endless(runner.train_dataloader, derive_seed(runner.epoch, "labelled"))
        updates = len(PHASES) * len(self._loader)
        return run_label_updates(runner.model, runner.optim_wrapper, labeled, updates)

    def _build_loader(self, runner: Runner) -> DataLoader:
        cfg = copy.deepcopy(self.unlabeled_cfg)
        dataset = DATASETS.build(cfg["dataset"])
        dataset.full_init()
        images = self.images_per_epoch
        if isinstance(images, float):
            images = max(round(images * len(runner.train_dataloader.dataset)), 1)
        num_samples = len(dataset) if images is None else min(images, len(dataset))
        cfg["dataset"] = dataset
        cfg["sampler"] = dict(type="ads_det.FixedLengthSampler", num_samples=num_samples)
        return runner.build_dataloader(cfg, seed=runner.seed)

    @staticmethod
    def _build_optim_wrapper(runner: Runner, optimizer: dict | None) -> OptimWrapper:
        """As the Runner's own, but every batch is an update and the optimiser may be another."""
        cfg = copy.deepcopy(runner.cfg.optim_wrapper)
        cfg.pop("accumulative_counts", None)
        if optimizer is not None:
            cfg["optimizer"] = copy.deepcopy(optimizer)
        return build_optim_wrapper(runner.model, cfg)


def _set_epoch(loader: DataLoader, epoch: int) -> None:
    """Tell the sampler, which may sit inside a batch sampler, from where to shuffle."""
    for sampler in (loader.sampler, getattr(loader.batch_sampler, "sampler", None)):
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)
            return


def _endless(loader: DataLoader, first_epoch: int) -> Iterator[dict]:
    for epoch in count(first_epoch):
        _set_epoch(loader, epoch)
        yield from loader
