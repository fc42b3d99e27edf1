"""Dense targets of a teacher with two heads, gated by their agreement."""

from __future__ import annotations

import torch
from torch import Tensor

from ads_det.core.normalization import normalized_sum


def agreement_gate(y1: Tensor, y2: Tensor, gate: float | None) -> Tensor:
    """1 where the two heads differ in no class by more than ``gate``, else 0; 1 everywhere
    without a gate.

    Args:
        y1: probabilities of f1, shape (..., C).
        y2: probabilities of f2, same shape.
        gate: largest difference, in [0, 1], or None.

    Returns:
        Shape (...), detached, of the type of ``y1``.
    """
    if gate is None:
        return torch.ones_like(y1[..., 0])
    return ((y1 - y2).abs().amax(dim=-1) <= gate).to(y1.dtype).detach()


def soft_cross_entropy(y: Tensor, target: Tensor) -> Tensor:
    """``-sum_c (t_c log y_c + (1 - t_c) log(1 - y_c))``, shape (..., C) to (...)."""
    # written out: CUDA's autocast forbids torch's own function
    clamped, t = y.float().clamp(1e-6, 1 - 1e-6), target.float()
    return -(t * clamped.log() + (1 - t) * torch.log1p(-clamped)).sum(dim=-1)


def teaching_loss(
    members: list[Tensor], target: Tensor, weight: Tensor, confidence: Tensor
) -> Tensor:
    """Mean over the members of ``sum_a m_a w_a CE(y_a, t_a) / sum_a m_a``.

    Args:
        members: the student's probabilities, K tensors of shape (N, ..., C).
        target: the teacher's mean probabilities, same shape, detached.
        weight: gate times the calibration of Eq. 4 with n = 1, shape (N, ...).
        confidence: m, the teacher's largest mean probability, shape (N, ...).

    Returns:
        A scalar; with no anchor past the gate it is 0.
    """
    each = [soft_cross_entropy(y, target) for y in members]
    mean = sum(each[1:], each[0]) / len(each)
    return normalized_sum(weight * mean, confidence, confidence.sum())
