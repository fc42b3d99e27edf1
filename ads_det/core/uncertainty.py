"""Uncertainty of a single prediction: least confidence and margin (Settles, 2009, Sec. 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor


def class_distribution(y: Tensor, background: bool) -> Tensor:
    """Probabilities that sum to one.

    Args:
        y: class probabilities, shape (..., C).
        background: whether the classes leave out the background, as a detector's independent
            sigmoid classes do: ``1 - max_c y_c`` is added as its probability, so that an anchor
            that is surely empty is not uncertain.

    Returns:
        Shape (..., C) or (..., C + 1), float32 or wider.
    """
    y = y if y.dtype == torch.float64 else y.float()
    if background:
        y = torch.cat([y, 1 - y.amax(dim=-1, keepdim=True)], dim=-1)
    return y / y.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(y.dtype).tiny)


def least_confidence(distribution: Tensor) -> Tensor:
    """``1 - max_c p_c``, shape (..., C) to (...)."""
    return 1 - distribution.amax(dim=-1)


def inverse_margin(distribution: Tensor) -> Tensor:
    """One less the difference of the two largest probabilities, shape (..., C) to (...): the
    smaller the margin, the larger the value."""
    largest = distribution.topk(2, dim=-1).values
    return 1 - (largest[..., 0] - largest[..., 1])
