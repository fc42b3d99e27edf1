"""Agreement-Discrepancy-Selection: when the phases run (Algorithm 1)."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

from mmengine.dist import all_reduce_params
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from ads_det.console import progress_bar
from ads_det.core.criterion import ADSCriterion
from ads_det.core.entropy import EntropyRule
from ads_det.engine.fused import fuse
from ads_det.engine.methods.joint import JointTerms
from ads_det.engine.methods.unlabeled import (
    UnlabeledEpochs,
    endless,
    labeled_batches,
    report,
    set_epoch,
)
from ads_det.engine.phase_stats import PhaseStats
from ads_det.engine.phases import run_agreement, run_discrepancy, unwrap
from ads_det.engine.seeding import derive_seed, seed_everything
from ads_det.engine.unlabeled_views import check_zoom, random_zoom
from ads_det.errors import ADSError
from ads_det.registry import METHODS

PHASES = ("agreement", "discrepancy")
POSITIVE_FILTERS = ("predicted", "oracle", "none")
SCHEDULES = ("epochs", "joint")


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
            of an optimiser whose learning rate stays as it is. ``weight_decay`` replaces that of
            all parameters that are decayed (None: as in label training); at a full phase over the
            pool the paper's copied decay acts many times as often as in a label epoch.
        discrepancy: the same for the other phase; ``loss_weight`` scales the unlabelled term of
            Eq. 8.
        normalize: see :class:`~ads_det.core.entropy.EntropyRule`.
        base: see :class:`~ads_det.core.entropy.EntropyRule`.
        n_power: see :class:`~ads_det.core.criterion.ADSCriterion`.
        freeze_statistics: whether BatchNorm in g stands still in the discrepancy phase.
        normalization: How the phases' losses are normalised over anchors, ``'mean'``
            (the paper's equations), ``'foreground'`` or ``'positives'``, see
            :class:`~ads_det.core.criterion.ADSCriterion`; positives have
            ``positive_threshold``.
        schedule: ``'epochs'`` (Algorithm 1: phases before label epochs) or ``'joint'``: both
            unlabelled terms are part of every label update of the epochs that are due, see
            :class:`~ads_det.engine.methods.joint.JointTerms`. There the phases have no optimiser
            of their own, so only ``loss_weight`` is left of ``agreement`` and ``discrepancy``.
        zoom: ``(low, high)``: unlabelled images are shown at a random scale between these, 1 being
            the whole image, at a random place
            (:func:`~ads_det.engine.unlabeled_views.random_zoom`); as they are unless given.

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
        normalization: str = "mean",
        schedule: str = "epochs",
        zoom: tuple[float, float] | None = None,
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
            self.criterion = ADSCriterion(
                weighting, tau, rule, n_power, normalization, positive_threshold
            )
            self.zoom = check_zoom(zoom)
        except ValueError as error:
            raise ADSError(f"ADS: {error}.") from error
        self.settings = {
            phase: _phase_settings(phase, {} if given is None else given)
            for phase, given in zip(PHASES, (agreement, discrepancy), strict=True)
        }
        if schedule not in SCHEDULES:
            raise ADSError(f"ADS.schedule is {schedule!r}; use one of {', '.join(SCHEDULES)}.")
        if schedule == "joint":
            _check_joint(agreement, discrepancy)
        self.joint = JointTerms(self) if schedule == "joint" else None
        self.reads_labels = positive_filter == "oracle"
        self.freeze_statistics = freeze_statistics
        self.threshold = positive_threshold if positive_filter == "predicted" else None
        self._optim_wrappers: dict[str, OptimWrapper] = {}
        self._resumed_state: dict[str, dict] = {}

    # -- life cycle -------------------------------------------------------------------------

    def extend_model(self, model: nn.Module) -> None:
        if self.joint is not None:
            model.add_extension("joint_terms", self.joint)

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        if self.loader is None or self.joint is not None:
            return
        self._optim_wrappers = {
            phase: _build_optim_wrapper(runner, self.settings[phase]) for phase in PHASES
        }
        for phase, state in self._resumed_state.items():
            self._optim_wrappers[phase].load_state_dict(state)
        self._resumed_state = {}

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint["ads"] = {k: w.state_dict() for k, w in self._optim_wrappers.items()}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume:
            self._resumed_state = checkpoint.get("ads", {})

    # -- joint schedule ---------------------------------------------------------------------

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if self.joint is None or self.loader is None:
            return
        if batch_idx == 0:
            set_epoch(self.loader, derive_seed(runner.epoch, "joint"))
            self.joint.start(endless(self.loader) if self.is_due(runner.epoch) else None)
        self.joint.next_batch(unwrap(runner.model))

    def after_train_epoch(self, runner: Runner) -> None:
        if self.joint is not None and self.loader is not None and self.is_due(runner.epoch):
            for phase, stats in self.joint.stats():
                report(runner, phase, stats)

    # -- phases -----------------------------------------------------------------------------

    def run_parts(self, runner: Runner) -> Iterator[tuple[str, PhaseStats]]:
        for phase in PHASES if self.joint is None else ():
            yield phase, self._run_phase(runner, phase)

    def view(self, inputs: Tensor) -> Tensor:
        """Preprocessed unlabelled images as the phases see them."""
        return inputs if self.zoom is None else random_zoom(inputs, *self.zoom)

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
            view=self.view,
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
    defaults = dict(loss_weight=1.0, lr_mult=1.0, optimizer=None, weight_decay=None)
    settings = defaults | given
    unknown = settings.keys() - defaults.keys()
    if unknown:
        raise ADSError(
            f"ADS.{phase} has no {unknown.pop()!r}; it takes loss_weight, weight_decay and lr_mult "
            "or optimizer."
        )
    for name in ("loss_weight", "lr_mult", "weight_decay"):
        value = settings[name]
        if value is None and name == "weight_decay":
            continue
        if type(value) not in (int, float) or not 0 <= value < math.inf:
            raise ADSError(f"ADS.{phase}.{name} is {value!r}; use a number of 0 or more.")
    if settings["optimizer"] and "lr_mult" in given:
        raise ADSError(
            f"ADS.{phase} has both lr_mult and optimizer; an optimiser of its own has its own "
            "learning rate, so remove one of them."
        )
    return settings


def _check_joint(*phases: Any) -> None:
    for phase, given in zip(PHASES, phases, strict=True):
        own = sorted(set(given or ()) - {"loss_weight"}) if isinstance(given, dict) else []
        if own:
            raise ADSError(
                f"ADS.{phase} has {own[0]!r}, but with schedule='joint' the one optimiser is "
                f"the Runner's; keep loss_weight only (method.{phase}=None takes all out)."
            )


def _build_optim_wrapper(runner: Runner, settings: dict[str, Any]) -> OptimWrapper:
    """As the Runner's own, but every batch is an update, and optimiser and decay may be others."""
    cfg = copy.deepcopy(runner.cfg.optim_wrapper)
    cfg.pop("accumulative_counts", None)
    if settings["optimizer"] is not None:
        cfg["optimizer"] = copy.deepcopy(settings["optimizer"])
    wrapper = fuse(build_optim_wrapper(runner.model, cfg))
    for group in wrapper.param_groups:
        if settings["weight_decay"] is not None and group.get("weight_decay"):
            group["weight_decay"] = settings["weight_decay"]
    return wrapper
