"""What each image of a batch adds to a dense head's loss."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures import SampleList
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from ads_det.errors import ADSError


@torch.no_grad()
def head_image_losses(
    head: Any, feats: tuple[Tensor, ...], data_samples: SampleList, reduction: str = "mean"
) -> Tensor:
    """The head's loss of each image by itself; its layers run once for all images.

    Args:
        head: a dense head of mmdet.
        feats: features of L levels, each (N, channels, H_l, W_l).
        data_samples: N data samples with labels.
        reduction: ``'mean'``: divided by the image's positive anchors (at least 1), as the head
            does; ``'sum'``: not divided.

    Returns:
        Shape (N,), the sum over the head's losses.

    Raises:
        ADSError: with ``'sum'``, if the head does not tell by what it divides.
    """
    with _without_memory(head):
        answers = head(feats)
    gt, ignored, metas = unpack_gt_instances(data_samples)
    each = []
    for i in range(len(data_samples)):
        factors: list[Any] = []
        compute = head.get_targets
        # a head's own replacement of it, if there is one, is undone by itself
        head.get_targets = lambda *a, _of=compute, _to=factors, **k: _noted(_of(*a, **k), _to)
        try:
            one = [_image(part, i) for part in answers]
            with _alone(head):
                losses = head.loss_by_feat(*one, [gt[i]], [metas[i]], [ignored[i]])
        finally:
            vars(head).pop("get_targets", None)
        total: Any = sum(_total(value) for value in losses.values())
        if reduction == "sum":
            if not factors or not _is_number(factors[0]):
                raise ADSError(
                    f"target='sum' needs the number of positives of an image, which "
                    f"{type(head).__name__} does not tell; use target='mean'."
                )
            total = total * factors[0]
        each.append(total)
    return torch.stack(each)


@contextmanager
def _without_memory(head: nn.Module) -> Iterator[None]:
    """A further pass of a batch: BatchNorm does not count it twice, and nothing is dropped."""
    norms = [m for m in head.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    dropouts = [m for m in head.modules() if isinstance(m, _DropoutNd) and m.training]
    try:
        for norm in norms:
            norm.track_running_stats = not norm.training
        for dropout in dropouts:
            dropout.training = False
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        for dropout in dropouts:
            dropout.training = True


@contextmanager
def _alone(head: nn.Module) -> Iterator[None]:
    """Keep mmdet's losses from averaging what they divide by over all processes, whose images are
    others."""
    modules = {sys.modules[kind.__module__] for kind in type(head).__mro__}
    averaging = {m: m.reduce_mean for m in modules if hasattr(m, "reduce_mean")}
    try:
        for module in averaging:
            module.reduce_mean = lambda tensor: tensor
        yield
    finally:
        for module, function in averaging.items():
            module.reduce_mean = function


def _noted(targets: Any, factors: list[Any]) -> Any:
    factors.append(targets[-1] if isinstance(targets, tuple) else None)
    return targets


def _image(node: Any, i: int) -> Any:
    """One image of nested lists of tensors (N, ...)."""
    return node[i : i + 1] if isinstance(node, Tensor) else [_image(part, i) for part in node]


def _total(value: Any) -> Tensor:
    """A loss, or the sum of a list of one a level."""
    parts = [value] if isinstance(value, Tensor) else value
    return torch.stack([x.mean() for x in parts]).sum()


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) or (isinstance(value, Tensor) and value.dim() == 0)
