"""The two unlabelled phases of Algorithm 1: freeze a part, walk a loader, update the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from ads_det.core.criterion import ADSCriterion, PhaseLoss
from ads_det.engine.phase_stats import FOREGROUND, Meter, PhaseStats, gradient_norms
from ads_det.errors import ADSError

View = Callable[[Tensor], Tensor]


def whole(inputs: Tensor) -> Tensor:
    """The view that changes nothing."""
    return inputs


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
    view: View = whole,
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
        view: Maps preprocessed unlabelled images to those that the model sees, (N, 3, H, W).

    Returns:
        Means over the images used, over all processes.

    Raises:
        ADSError: if the loss is not finite.
    """
    inner = unwrap(model)
    meter = Meter(next(inner.parameters()).device)
    with only_features_train(model):
        for batch in unlabeled:
            # not inside the context: autocast would round boxes, and where a view looks
            data = inner.data_preprocessor(batch, training=True)
            data["inputs"] = view(data["inputs"])
            with optim_wrapper.optim_context(model):
                y1, y2 = model._run_forward(data, mode="outputs").members
                kept = select(inner, y1, y2, criterion, threshold)
                phase = kept.loss(criterion.agreement)
            measure_gradients(meter, kept, criterion.agreement, inner)
            if kept.n:
                update(optim_wrapper, phase.loss * loss_weight, "agreement phase", OF_A_PHASE)
            meter.add(phase, kept.scale, kept.images, kept.confidence)
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
    view: View = whole,
) -> PhaseStats:
    """One discrepancy epoch (Eq. 8): f1 and f2 move apart on unlabelled images while they keep
    classifying labelled ones; features are computed without gradient.

    Args:
        labeled: an endless iterator of labelled batches; one is used for each unlabelled batch.
        loss_weight: scales the unlabelled term of Eq. 8.
        freeze_statistics: whether g runs as in evaluation: its BatchNorm keeps its statistics and
            normalises by them, its dropout is off.

    The other arguments, the return value and the error are as in :func:`run_agreement`.
    """
    inner = unwrap(model)
    meter = Meter(next(inner.parameters()).device)
    with only_classifiers_train(model, freeze_statistics):
        for batch in unlabeled:
            data = inner.data_preprocessor(batch, training=True)
            data["inputs"] = view(data["inputs"])
            data["labeled"] = inner.data_preprocessor(next(labeled), training=True)
            with optim_wrapper.optim_context(model):
                outputs, losses = model._run_forward(data, mode="discrepancy")
                kept = select(inner, *outputs.members, criterion, threshold)
                phase = kept.loss(criterion.discrepancy)
                label_loss, _ = inner.parse_losses(losses)
            measure_gradients(meter, kept, criterion.discrepancy, inner)
            # without an image the labelled term alone still makes the update of Eq. 8
            loss = phase.loss * loss_weight + label_loss
            update(optim_wrapper, loss, "discrepancy phase", OF_A_PHASE)
            meter.add(phase, kept.scale, kept.images, kept.confidence)
    return meter.stats()


class Kept(NamedTuple):
    """Predictions for the unlabelled images of a batch that count.

    Args:
        y1: probabilities of f1, shape (N, A, C) or (N, C).
        y2: probabilities of f2, same shape.
        confidence: Confidence of each anchor (N, A) or image (N,), detached.
        n: the n of Eq. 4 and 7. Processes average their gradients, so it is the global number
            divided by theirs; it is 0 on all of them or on none.
        images: N.
        total: what other normalisations than the mean divide by, likewise.
    """

    y1: Tensor
    y2: Tensor
    confidence: Tensor
    n: float
    images: int
    total: Tensor | None

    def loss(self, term: Callable[..., PhaseLoss]) -> PhaseLoss:
        """By a method of :class:`~ads_det.core.criterion.ADSCriterion`."""
        return term(self.y1, self.y2, self.n, self.confidence, self.total)

    @property
    def scale(self) -> float:
        """What a meter multiplies the loss of the batch with: a loss by another normalisation
        than the mean is a mean over images already."""
        return self.n if self.total is None else float(self.images)


def select(
    inner: nn.Module, y1: Tensor, y2: Tensor, criterion: ADSCriterion, threshold: float | None
) -> Kept:
    """Keep the images with a predicted object."""
    if threshold is not None:
        keep = inner.object_confidence(y1.detach(), y2.detach()) >= threshold
        y1, y2 = y1[keep], y2[keep]
    images = len(y1)
    confidence = inner.confidence(y1, y2)
    total = criterion.total(confidence)
    if total is not None and get_world_size() > 1:
        all_reduce(total, op="mean")
    if threshold is None or get_world_size() == 1:
        return Kept(y1, y2, confidence, float(images), images, total)
    count = torch.tensor(float(images), device=y1.device)
    all_reduce(count)
    return Kept(y1, y2, confidence, count.item() / get_world_size(), images, total)


def measure_gradients(
    meter: Meter, kept: Kept, term: Callable[..., PhaseLoss], inner: nn.Module
) -> None:
    """Once a phase, on its first batch with an image: the norms of the gradients that background
    and foreground anchors give."""
    if meter.gradients is not None or not kept.images or kept.confidence.dim() == 1:
        return
    front = (kept.confidence >= FOREGROUND)[..., None]
    parts = []
    for keep in (~front, front):
        # an anchor whose probabilities are detached counts in the loss and gives no gradient
        y1, y2 = (torch.where(keep, y, y.detach()) for y in (kept.y1, kept.y2))
        parts.append(kept._replace(y1=y1, y2=y2).loss(term).loss)
    background, foreground = gradient_norms(parts, inner.parameters())
    meter.gradients = background, foreground


OF_A_PHASE = "its lr_mult or loss_weight in the `method` block of the config, or "


def update(optim_wrapper: OptimWrapper, loss: Tensor, phase: str, remedy: str = "") -> None:
    """One step; if its loss is not finite, ``phase`` is named, and what may be lowered beside the
    learning rate.

    Raises:
        ADSError: then.
    """
    if not torch.isfinite(loss):
        raise ADSError(
            f"The loss of the {phase} became {loss.item()}; lower {remedy}the learning rate."
        )
    optim_wrapper.update_params(loss)
