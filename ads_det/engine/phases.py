"""The two unlabelled phases of Algorithm 1: freeze a part, walk a loader, update the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from ads_det.core.criterion import ADSCriterion, PhaseLoss
from ads_det.errors import ADSError


@dataclass
class PhaseStats:
    """Means over the images that one phase used."""

    loss: float = 0.0
    entropy: float = 0.0
    discrepancy: float = 0.0
    images: int = 0


class _Meter:
    """Sums of a phase on the device; read once at its end."""

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(4, dtype=torch.float64, device=device)

    def add(self, phase: PhaseLoss, n: float, images: int) -> None:
        """Add a batch whose loss is a sum divided by ``n`` and whose means are over ``images``."""
        if images:
            weights = self.sums.new_tensor([n, images, images])
            values = torch.stack([phase.loss.detach(), phase.entropy, phase.discrepancy])
            self.sums[:3] += values * weights
            self.sums[3] += images

    def stats(self) -> PhaseStats:
        all_reduce(self.sums)
        loss, entropy, discrepancy, images = self.sums.tolist()
        n = max(images, 1.0)
        return PhaseStats(loss / n, entropy / n, discrepancy / n, int(images))


def unwrap(model: nn.Module) -> nn.Module:
    """The model inside a distributed wrapper."""
    return model.module if is_model_wrapper(model) else model


@contextmanager
def only_features_train(model: nn.Module) -> Iterator[None]:
    """Freeze f1 and f2; g trains, its BatchNorm statistics included."""
    frozen = [p for c in unwrap(model).classifiers() for p in c.parameters()]
    modules = [m for c in unwrap(model).classifiers() for m in c.modules()]
    with _frozen(model, frozen, modules):
        yield


@contextmanager
def only_classifiers_train(model: nn.Module, freeze_statistics: bool = True) -> Iterator[None]:
    """Freeze g, its BatchNorm statistics included unless told otherwise; f1 and f2 train."""
    inner = unwrap(model)
    trained = {p for c in inner.classifiers() for p in c.parameters()}
    frozen = [p for p in inner.parameters() if p not in trained]
    classifiers = {m for c in inner.classifiers() for m in c.modules()}
    rest = [m for m in inner.modules() if m not in classifiers]
    with _frozen(model, frozen, rest if freeze_statistics else []):
        yield


@contextmanager
def _frozen(
    model: nn.Module, parameters: list[nn.Parameter], frozen_modules: list[nn.Module]
) -> Iterator[None]:
    """Train mode for all but ``frozen_modules``; restores every flag, also after an error."""
    inner = unwrap(model)
    required = [p.requires_grad for p in parameters]
    modes = {module: module.training for module in inner.modules()}
    try:
        model.train()
        for module in frozen_modules:
            # not .eval(): it would descend into the part that trains
            module.training = False
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter, flag in zip(parameters, required, strict=True):
            parameter.requires_grad_(flag)
        for module, mode in modes.items():
            module.training = mode


def run_agreement(
    model: nn.Module,
    optim_wrapper: OptimWrapper,
    unlabeled: Iterable[dict],
    criterion: ADSCriterion,
    loss_weight: float = 1.0,
    threshold: float | None = None,
) -> PhaseStats:
    """One agreement epoch (Eq. 5): g moves so that f1 and f2 agree on unlabelled images.

    Args:
        model: a :class:`~ads_det.models.TwoClassifierModel`, distributed or not.
        optim_wrapper: over the parameters of the model; frozen ones have no gradient and so
            stay bit-identical.
        unlabeled: batches of the unlabelled loader.
        criterion: weights and losses.
        loss_weight: scales the loss.
        threshold: if given, only images count in which the current model finds an object with
            at least this mean probability.

    Returns:
        Means over the images used, over all processes.

    Raises:
        ADSError: if the loss is not finite.
    """
    inner = unwrap(model)
    meter = _Meter(next(inner.parameters()).device)
    with only_features_train(model):
        for batch in unlabeled:
            with optim_wrapper.optim_context(model):
                data = inner.data_preprocessor(batch, training=True)
                y1, y2 = model._run_forward(data, mode="outputs").members
                y1, y2, n, images = _select(inner, y1, y2, threshold)
                phase = criterion.agreement(y1, y2, n)
            if n:
                update(optim_wrapper, phase.loss * loss_weight, "agreement")
            meter.add(phase, n, images)
    return meter.stats()


def run_discrepancy(
    model: nn.Module,
    optim_wrapper: OptimWrapper,
    unlabeled: Iterable[dict],
    labeled: Iterator[dict],
    criterion: ADSCriterion,
    loss_weight: float = 1.0,
    threshold: float | None = None,
    freeze_statistics: bool = True,
) -> PhaseStats:
    """One discrepancy epoch (Eq. 8): f1 and f2 move apart on unlabelled images while they keep
    classifying labelled ones; features are computed without gradient.

    Args:
        labeled: an endless iterator of labelled batches; one is used for each unlabelled batch.
        loss_weight: scales the unlabelled term of Eq. 8.
        freeze_statistics: whether BatchNorm in g keeps its statistics and normalises by them.

    The other arguments, the return value and the error are as in :func:`run_agreement`.
    """
    inner = unwrap(model)
    meter = _Meter(next(inner.parameters()).device)
    with only_classifiers_train(model, freeze_statistics):
        for batch in unlabeled:
            # not inside the context: autocast would round the boxes of a pipeline in this process
            data = inner.data_preprocessor(batch, training=True)
            data["labeled"] = inner.data_preprocessor(next(labeled), training=True)
            with optim_wrapper.optim_context(model):
                outputs, losses = model._run_forward(data, mode="discrepancy")
                y1, y2, n, images = _select(inner, *outputs.members, threshold)
                phase = criterion.discrepancy(y1, y2, n)
                label_loss, _ = inner.parse_losses(losses)
            # without an image the labelled term alone still makes the update of Eq. 8
            update(optim_wrapper, phase.loss * loss_weight + label_loss, "discrepancy")
            meter.add(phase, n, images)
    return meter.stats()


def _select(
    inner: nn.Module, y1: Tensor, y2: Tensor, threshold: float | None
) -> tuple[Tensor, Tensor, float, int]:
    """Keep the images with a predicted object.

    Returns:
        ``y1`` and ``y2`` of the images kept, the n of Eq. 4 and 7, and the number kept here.
        Processes average their gradients, so n is the global number divided by theirs; it is
        0 on all of them or on none.
    """
    if threshold is not None:
        keep = inner.object_confidence(y1.detach(), y2.detach()) >= threshold
        y1, y2 = y1[keep], y2[keep]
    images = len(y1)
    if threshold is None or get_world_size() == 1:
        return y1, y2, float(images), images
    total = torch.tensor(float(images), device=y1.device)
    all_reduce(total)
    return y1, y2, total.item() / get_world_size(), images


def update(optim_wrapper: OptimWrapper, loss: Tensor, phase: str) -> None:
    """One step; ``phase`` is named if its loss is not finite.

    Raises:
        ADSError: then.
    """
    if not torch.isfinite(loss):
        raise ADSError(
            f"The loss of the {phase} phase became {loss.item()}; lower its lr_mult or loss_weight "
            "in the `method` block of the config, or the learning rate."
        )
    optim_wrapper.update_params(loss)
