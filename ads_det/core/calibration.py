"""Eq. 4 and 7: weights that calibrate the two phases by the entropy of a sample.

All weights are detached: they steer a phase, they are not trained through.
"""

from __future__ import annotations

import torch
from torch import Tensor

WEIGHTINGS = ("calibration", "entropy", "none")


def agreement_weight(entropy: Tensor, n: float, tau: float = 0.1) -> Tensor:
    """Eq. 4: ``w_a = (1 - sigmoid(E - tau)) / n``; certain samples weigh more.

    Args:
        entropy: E of Eq. 3, any shape.
        n: number of samples in the batch.
        tau: entropy at which the weight is half of 1 / n.

    Returns:
        Shape of ``entropy``, in (0, 1 / n).
    """
    return ((1 - torch.sigmoid(entropy - tau)) / n).detach()


def discrepancy_weight(entropy: Tensor, n: float, tau: float = 0.1) -> Tensor:
    """Eq. 7: ``w_d = sigmoid(E - tau) / n``; uncertain samples weigh more.

    Arguments and shapes as in :func:`agreement_weight`.
    """
    return (torch.sigmoid(entropy - tau) / n).detach()


def normalized_entropy(entropy: Tensor, bound: float) -> Tensor:
    """E divided by its upper bound (:func:`~ads_det.core.entropy.entropy_bound`).

    The paper's Table 1 has an 'entropy' weight without defining it. Here it is this value for
    the discrepancy phase and one minus it for the agreement phase, so that it lies in [0, 1]
    like the sigmoid of Eq. 4 and 7 and needs no statistics of the batch.
    """
    return (entropy / bound).clamp(0, 1)


def phase_weights(
    entropy: Tensor, n: float, bound: float, weighting: str = "calibration", tau: float = 0.1
) -> tuple[Tensor, Tensor]:
    """Weights ``(w_a, w_d)`` of the agreement and the discrepancy phase (Table 1).

    Args:
        entropy: E of Eq. 3, any shape.
        n: number of samples in the batch.
        bound: largest value that ``entropy`` can have.
        weighting: ``'calibration'`` (Eq. 4 and 7), ``'entropy'``
            (:func:`normalized_entropy`) or ``'none'`` (1 / n for all).
        tau: see :func:`agreement_weight`.

    Raises:
        ValueError: if ``weighting`` is none of the three.
    """
    if weighting == "calibration":
        return agreement_weight(entropy, n, tau), discrepancy_weight(entropy, n, tau)
    if weighting == "entropy":
        uncertain = normalized_entropy(entropy, bound).detach()
        return (1 - uncertain) / n, uncertain / n
    if weighting == "none":
        uniform = torch.full_like(entropy, 1 / n)
        return uniform, uniform
    raise ValueError(f"weighting is {weighting!r}; use one of {', '.join(WEIGHTINGS)}")
