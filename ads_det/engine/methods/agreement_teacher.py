"""ADS with a gate: a slow teacher whose two heads agree tells the student what it sees."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_reduce_params
from mmengine.model import ExponentialMovingAverage
from mmengine.runner import Runner
from torch import Tensor, nn

from ads_det.core.calibration import agreement_weight
from ads_det.core.entropy import mean_entropy
from ads_det.core.teacher import agreement_gate, teaching_loss
from ads_det.engine.methods.unlabeled import UnlabeledEpochs, endless, set_epoch
from ads_det.engine.phases import unwrap
from ads_det.engine.seeding import derive_seed
from ads_det.engine.unlabeled_views import check_zoom, random_zoom, strong_view
from ads_det.errors import ADSError
from ads_det.models.base import Extension, TwoClassifierModel
from ads_det.registry import METHODS


class Teaching(Extension):
    """Adds the loss on one unlabelled batch to that of a labelled one."""

    def __init__(self) -> None:
        super().__init__()
        self.lesson: tuple[Tensor, Tensor, Tensor, Tensor] | None = None
        self.loss_weight = 1.0

    def losses(self, model: TwoClassifierModel, feats: Any, data_samples: Any) -> dict[str, Tensor]:
        lesson, self.lesson = self.lesson, None
        if lesson is None:
            return {}
        inputs, *targets = lesson
        members = model.probabilities(model.extract_feat(inputs))  # type: ignore[attr-defined]
        return dict(loss_teaching=self.loss_weight * teaching_loss(members, *targets))


@METHODS.register_module()
class AgreementTeacher(UnlabeledEpochs):
    """Labels and, in the same update, dense targets of an exponential moving average of the model.

    The teacher looks at the weak view of unlabelled images (zoomed), the student at a strong view
    of the same pixels (contrast, brightness, a hole). The mean of the teacher's heads is the target
    where they agree (``gate``), weighted by the calibration of Eq. 4 and by the teacher's largest
    probability. The cycle's model is the teacher. The control of the gate is ``gate=None``, that of
    the targets ``loss_weight=0``: all three have the moving average.

    Args:
        interval: Targets count in every ``interval``-th epoch, see :class:`UnlabeledEpochs`.
        begin: first epoch with targets, at least 1.
        epochs: number of epochs with targets; unlimited unless given.
        images_per_epoch: unlabelled images over which an epoch goes round and round.
        gate: largest difference of the teacher's heads in any class, in [0, 1]; None for no gate.
        loss_weight: Weight of the targets.
        momentum: share of the student in the average after an update, in (0, 1).
        zoom: ``(low, high)`` scales of the weak view, or None.
        tau: threshold of Eq. 4.

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
        gate: float | None = 0.1,
        loss_weight: float = 1.0,
        momentum: float = 0.005,
        zoom: tuple[float, float] | None = None,
        tau: float = 0.1,
    ) -> None:
        super().__init__(interval, begin, epochs, images_per_epoch)
        bounds = dict(gate=(0, 1), loss_weight=(0, 1e6), momentum=(1e-9, 1 - 1e-6), tau=(0, 1e6))
        values = dict(gate=gate, loss_weight=loss_weight, momentum=momentum, tau=tau)
        for name, value in values.items():
            low, high = bounds[name]
            if name == "gate" and value is None:
                continue
            if type(value) not in (int, float) or not low <= value <= high:
                raise ADSError(
                    f"AgreementTeacher.{name} is {value!r}; use a number from {low:g} to {high:g}."
                )
        try:
            self.zoom = check_zoom(zoom)
        except ValueError as error:
            raise ADSError(f"AgreementTeacher: {error}.") from error
        self.gate, self.momentum, self.tau = gate, momentum, tau
        self.teaching = Teaching()
        self.teaching.loss_weight = loss_weight
        self.teacher: ExponentialMovingAverage | None = None
        self._batches: Any = None
        self._resumed: dict | None = None

    def run_parts(self, runner: Runner) -> Any:
        return iter(())  # everything happens inside the label updates

    def extend_model(self, model: nn.Module) -> None:
        model.add_extension("teaching", self.teaching)

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        self.teacher = ExponentialMovingAverage(
            unwrap(runner.model), momentum=self.momentum, update_buffers=True
        )
        if self._resumed is not None:
            self.teacher.load_state_dict(self._resumed)
            self._resumed = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if self.teacher is not None:
            checkpoint["teacher"] = self.teacher.state_dict()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume:
            self._resumed = checkpoint.get("teacher")

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if batch_idx == 0:
            self._batches = None
            if self.loader is not None and self.is_due(runner.epoch):
                set_epoch(self.loader, derive_seed(runner.epoch, "teaching"))
                self._batches = endless(self.loader)
        if self._batches is not None and self.teaching.loss_weight:
            data = unwrap(runner.model).data_preprocessor(next(self._batches), training=True)
            inputs = data["inputs"]  # viewed outside of autocast, which would round where
            weak = inputs if self.zoom is None else random_zoom(inputs, *self.zoom)
            strong = strong_view(weak)
            with torch.no_grad(), runner.optim_wrapper.optim_context(runner.model):
                self.teaching.lesson = strong, *self._lesson(weak)

    def _lesson(self, weak: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Targets, weights, confidence."""
        assert self.teacher is not None
        teacher = self.teacher.module
        teacher.eval()
        y1, y2 = teacher.probabilities(teacher.extract_feat(weak))
        gate = agreement_gate(y1, y2, self.gate)
        weight = gate * agreement_weight(mean_entropy((y1, y2)), 1.0, self.tau)
        return (y1 + y2) / 2, weight, teacher.confidence(y1, y2)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        assert self.teacher is not None
        self.teacher.update_parameters(unwrap(runner.model))

    def after_train_epoch(self, runner: Runner) -> None:
        """Processes share the statistics of BatchNorm: a checkpoint holds those of one."""
        assert self.teacher is not None
        all_reduce_params(self.teacher.module.buffers(), op="mean")

    def after_train(self, runner: Runner) -> None:
        """The model of the cycle is the teacher."""
        assert self.teacher is not None
        unwrap(runner.model).load_state_dict(self.teacher.module.state_dict())
