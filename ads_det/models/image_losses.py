"""What each image of a batch adds to a dense head's loss."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures import SampleList
from torch import Tensor

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
            losses = head.loss_by_feat(*one, [gt[i]], [metas[i]], [ignored[i]])
        finally:
            vars(head).pop("get_targets", None)
        total: Any = sum(_total(value) for value in losses.values())
        if reduction == "sum":
            if not factors or not isinstance(factors[0], (int, float)):
                raise ADSError(
                    f"target='sum' needs the number of positives of an image, which "
                    f"{type(head).__name__} does not tell; use target='mean'."
                )
            total = total * factors[0]
        each.append(total)
    return torch.stack(each)


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
