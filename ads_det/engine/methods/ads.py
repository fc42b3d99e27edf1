"""Agreement-Discrepancy-Selection: when the phases run (Algorithm 1)."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

from mmengine.dist import all_reduce_params
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.runner import Runner

from ads_det.console import progress_bar
from ads_det.core.criterion import ADSCriterion
from ads_det.core.entropy import EntropyRule
from ads_det.engine.methods.unlabeled import UnlabeledEpochs, labeled_batches, set_epoch
from ads_det.engine.phases import PhaseStats, run_agreement, run_discrepancy, unwrap
from ads_det.engine.seeding import derive_seed, seed_everything
from ads_det.errors import ADSError
from ads_det.registry import METHODS

PHASES = ("agreement", "discrepancy")
POSITIVE_FILTERS = ("predicted", "oracle", "none")


@METHODS.register_module()
class ADS(UnlabeledEpochs):
    """Agreement, then discrepancy, before a training epoch (Algorithm 1).

    Each phase has an optimiser of its own, built like the Runner's, whose learning rate follows
    the Runner's schedule. Losses, mean entropy, mean discrepancy and the number of images used
    are logged as ``agreement_*`` and ``discrepancy_*``.

    Args:
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
        tau: threshold of Eq. 4 and 7.
        agreement: dict of ``loss_weight`` (1) and ``lr_mult`` (1), the phase's learning rate
            as a multiple of the Runner's; or, instead of ``lr_mult``, ``optimizer``: the config
            of an optimiser whose learning rate stays as it is.
        discrepancy: the same for the other phase; ``loss_weight`` scales the unlabelled term of
            Eq. 8.
        normalize: see :class:`~ads_det.core.entropy.EntropyRule`.
        base: see :class:`~ads_det.core.entropy.EntropyRule`.
        n_power: see :class:`~ads_det.core.criterion.ADSCriterion`.
        freeze_statistics: whether BatchNorm in g stands still in the discrepancy phase.

    Raises:
        ADSError: if an argument has no meaning.
    """

    min_classifiers = 2
    provides = frozenset()

    def __init__(
        self,
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
    ) -> None:
        super().__init__(interval, begin, epochs, images_per_epoch)
        if positive_filter not in POSITIVE_FILTERS:
            raise ADSError(
                f"ADS.positive_filter is {positive_filter!r}; use one of "
                f"{', '.join(POSITIVE_FILTERS)}."
            )
        if not isinstance(freeze_statistics, bool):
            raise ADSError(f"ADS.freeze_statistics is {freeze_statistics!r}; use True or False.")
        if type(positive_threshold) not in (int, float) or not 0 <= positive_threshold <= 1:
            raise ADSError(f"ADS.positive_threshold is {positive_threshold!r}; use a probability.")
        try:
            rule = EntropyRule(entropy_of, normalize, base)
            self.criterion = ADSCriterion(weighting, tau, rule, n_power)
        except ValueError as error:
            raise ADSError(f"ADS: {error}.") from error
        self.settings = {
            phase: _phase_settings(phase, {} if given is None else given)
            for phase, given in zip(PHASES, (agreement, discrepancy), strict=True)
        }
        self.reads_labels = positive_filter == "oracle"
        self.freeze_statistics = freeze_statistics
        self.threshold = positive_threshold if positive_filter == "predicted" else None
        self._optim_wrappers: dict[str, OptimWrapper] = {}
        self._resumed_state: dict[str, dict] = {}

    # -- life cycle -------------------------------------------------------------------------

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        if self.loader is None:
            return
        self._optim_wrappers = {
            phase: _build_optim_wrapper(runner, self.settings[phase]["optimizer"])
            for phase in PHASES
        }
        for phase, state in self._resumed_state.items():
            self._optim_wrappers[phase].load_state_dict(state)
        self._resumed_state = {}

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint["ads"] = {k: w.state_dict() for k, w in self._optim_wrappers.items()}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume:
            self._resumed_state = checkpoint.get("ads", {})

    # -- phases -----------------------------------------------------------------------------

    def run_parts(self, runner: Runner) -> Iterator[tuple[str, PhaseStats]]:
        for phase in PHASES:
            yield phase, self._run_phase(runner, phase)

    def _run_phase(self, runner: Runner, phase: str) -> PhaseStats:
        assert self.loader is not None
        seed_everything(runner.seed, runner.epoch, phase)
        optim_wrapper, settings = self._optim_wrappers[phase], self.settings[phase]
        if settings["optimizer"] is None:
            for own, main in zip(
                optim_wrapper.param_groups, runner.optim_wrapper.param_groups, strict=True
            ):
                own["lr"] = main["lr"] * settings["lr_mult"]
        set_epoch(self.loader, derive_seed(runner.epoch, phase))
        batches = progress_bar(self.loader, f"epoch {runner.epoch} {phase}")
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
        return run_discrepancy(
            runner.model,
            optim_wrapper,
            batches,
            labeled_batches(runner),
            freeze_statistics=self.freeze_statistics,
            **common,
        )


def _phase_settings(phase: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise ADSError(f"ADS.{phase} is {given!r}; use a dict of loss_weight and lr_mult.")
    settings = dict(loss_weight=1.0, lr_mult=1.0, optimizer=None) | given
    unknown = settings.keys() - {"loss_weight", "lr_mult", "optimizer"}
    if unknown:
        raise ADSError(
            f"ADS.{phase} has no {unknown.pop()!r}; it takes loss_weight and lr_mult or optimizer."
        )
    for name in ("loss_weight", "lr_mult"):
        value = settings[name]
        if type(value) not in (int, float) or not 0 <= value < math.inf:
            raise ADSError(f"ADS.{phase}.{name} is {value!r}; use a number of 0 or more.")
    if settings["optimizer"] and "lr_mult" in given:
        raise ADSError(
            f"ADS.{phase} has both lr_mult and optimizer; an optimiser of its own has its own "
            "learning rate, so remove one of them."
        )
    return settings


def _build_optim_wrapper(runner: Runner, optimizer: dict | None) -> OptimWrapper:
    """As the Runner's own, but every batch is an update and the optimiser may be another."""
    cfg = copy.deepcopy(runner.cfg.optim_wrapper)
    cfg.pop("accumulative_counts", None)
    if optimizer is not None:
        cfg["optimizer"] = copy.deepcopy(optimizer)
    return build_optim_wrapper(runner.model, cfg)
