"""What the sum over anchors in Eq. 5 and 6 is divided by; the paper says nothing of it.

Few anchors of a dense detector lie on objects, so in a mean over all of them (``'mean'``) the empty
background outweighs what the two classifiers could disagree about.
"""

from __future__ import annotations

import torch
from torch import Tensor

NORMALIZATIONS = ("mean", "foreground", "positives")


def anchor_confidence(y1: Tensor, y2: Tensor) -> Tensor:
    """Largest mean probability of any object class, detached.

    Args:
        y1: probabilities of f1 over object classes only, shape (..., C).
        y2: probabilities of f2, same shape.

    Returns:
        Shape (...), in [0, 1].
    """
    return ((y1 + y2) / 2).amax(dim=-1).detach()


def foreground_shares(confidence: Tensor) -> tuple[Tensor, Tensor]:
    """Anchors count by their confidence: a weighted mean over all anchors of the batch.

    Args:
        confidence: m of :func:`anchor_confidence`, any shape.

    Returns:
        The weight m of each anchor, and the sum of all weights by which to divide.
    """
    return confidence, confidence.sum()


def positive_shares(confidence: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """All anchors count alike and the sum is divided by the number of positives, as a detector's
    label loss does; without labels an anchor of at least ``threshold`` is taken for a positive.

    Arguments and return value as in :func:`foreground_shares`.
    """
    return torch.ones_like(confidence), (confidence >= threshold).sum().to(confidence.dtype)


def anchor_shares(
    confidence: Tensor, normalization: str, threshold: float
) -> tuple[Tensor, Tensor]:
    """:func:`foreground_shares` or :func:`positive_shares`.

    Raises:
        ValueError: if ``normalization`` is neither.
    """
    if normalization == "foreground":
        return foreground_shares(confidence)
    if normalization == "positives":
        return positive_shares(confidence, threshold)
    raise ValueError(f"normalization is {normalization!r}; use one of {', '.join(NORMALIZATIONS)}")


def normalized_sum(values: Tensor, shares: Tensor, total: Tensor | float) -> Tensor:
    """``sum of shares * values / total``, a scalar; 0 where the total is 0.

    Args:
        values: one value an anchor, shape (...).
        shares: weight of each anchor, same shape.
        total: what the sum is divided by; over several processes the global one divided by their
            number, since they average their gradients.
    """
    total = torch.as_tensor(total, dtype=values.dtype, device=values.device)
    share = torch.where(total > 0, 1 / total.clamp(min=1e-6), 0)
    return (shares * values).sum() * share
