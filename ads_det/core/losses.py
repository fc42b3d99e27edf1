"""Eq. 1, 2, 5, 6 and 8: the losses of the three phases."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ads_det.core.entropy import check_same_shape


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """The inner sum of Eq. 1 for one classifier: BCE summed over the classes.

    Args:
        logits: scores before the sigmoid, shape (..., C).
        targets: one-hot (or all-zero for background) labels, same shape.

    Returns:
        Shape (...).

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape((logits, targets))
    loss = F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none")
    return loss.sum(dim=-1)


def label_loss(logits1: Tensor, logits2: Tensor, targets: Tensor) -> Tensor:
    """Eq. 1: the losses of both classifiers on labelled samples, summed; mean over the batch.

    Args:
        logits1: scores of f1 before the sigmoid, shape (N, C).
        logits2: scores of f2, same shape.
        targets: one-hot labels, same shape.

    Returns:
        A scalar.
    """
    per_sample = binary_cross_entropy(logits1, targets) + binary_cross_entropy(logits2, targets)
    return per_sample.mean()


def classifier_discrepancy(y1: Tensor, y2: Tensor) -> Tensor:
    """Eq. 2: ``mean_c |y1 - y2|``, shape (..., C) to (...), in [0, 1].

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape((y1, y2))
    return (y1 - y2).abs().mean(dim=-1)


def agreement_terms(y1: Tensor, y2: Tensor, weight: Tensor) -> Tensor:
    """The terms of Eq. 5, whose sum over the batch it is: ``w_a * mean_c |y1 - y2|``.

    Args:
        y1: probabilities of f1, shape (N, ..., C). Dimensions between (the anchors of a
            detector) are averaged by :func:`sum_over_batch`, so that the scale does not depend on
            the image size.
        y2: probabilities of f2, same shape.
        weight: w_a of Eq. 4, shape (N, ...).

    Returns:
        Shape (N, ...).
    """
    discrepancy = classifier_discrepancy(y1, y2)
    check_same_shape((weight, discrepancy))
    return weight * discrepancy


def discrepancy_terms(y1: Tensor, y2: Tensor, weight: Tensor) -> Tensor:
    """The terms of Eq. 6, and of the unlabelled term of Eq. 8: ``w_d * (1 - mean_c |y1 - y2|)``.

    Arguments and return value as in :func:`agreement_terms`, with w_d of Eq. 7 as weight. Eq. 8
    adds :func:`label_loss` on labelled samples in the same update.
    """
    discrepancy = classifier_discrepancy(y1, y2)
    check_same_shape((weight, discrepancy))
    return weight * (1 - discrepancy)


def sum_over_batch(values: Tensor) -> Tensor:
    """Sum over the first dimension of the mean over all others."""
    return values.flatten(1).mean(dim=1).sum() if values.dim() > 1 else values.sum()
