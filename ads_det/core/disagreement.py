"""What several predictions of the same thing say together: entropy of the mean, BALD, variation
ratio, squared discrepancy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from ads_det.core.entropy import check_same_shape, entropy
from ads_det.core.uncertainty import class_distribution


def total_entropy(y: Tensor, binary: bool) -> Tensor:
    """Entropy of one prediction in nats, shape (..., C) to (...).

    Args:
        y: class probabilities.
        binary: whether the classes are independent, as sigmoid outputs are: the sum of their
            binary entropies ``-y log y - (1 - y) log (1 - y)``; else ``-sum_c y_c log y_c``.
    """
    return entropy(y) + entropy(1 - y) if binary else entropy(y)


def bald(mean: Tensor, mean_entropy: Tensor, binary: bool) -> Tensor:
    """``H(mean p) - mean H(p)`` (Houlsby et al., 2011; Gal et al., ICML 2017): what the members
    could tell about the class that they do not agree on; never below 0 but for rounding.

    Args:
        mean: mean probabilities over the members, shape (..., C).
        mean_entropy: mean over the members of :func:`total_entropy`, shape (...).
        binary: see there.

    Returns:
        Shape (...), in nats.
    """
    return total_entropy(mean, binary) - mean_entropy


def class_votes(y: Tensor, background: bool) -> Tensor:
    """The vote of one prediction, one-hot: shape (..., C) to (..., C'), see
    :func:`~ads_det.core.uncertainty.class_distribution`."""
    distribution = class_distribution(y, background)
    best = distribution.argmax(dim=-1, keepdim=True)
    return torch.zeros_like(distribution).scatter_(-1, best, 1.0)


def variation_ratio(shares: Tensor) -> Tensor:
    """``1 - votes of the most frequent class / K`` (Freeman, 1965; Gal et al., ICML 2017).

    Args:
        shares: mean over the members of :func:`class_votes`, shape (..., C').

    Returns:
        Shape (...), in [0, 1).
    """
    return 1 - shares.amax(dim=-1)


def squared_discrepancy(members: Sequence[Tensor]) -> Tensor:
    """``mean_c (y1_c - y2_c)^2`` (MI-AOD, Yuan et al., CVPR 2021, Sec. 3.2); of more members the
    mean over all pairs. Shape (..., C) to (...).

    Raises:
        ValueError: if the shapes differ or there is only one member.
    """
    check_same_shape(members)
    pairs = [(a.float() - b.float()).square().mean(dim=-1) for a, b in combinations(members, 2)]
    if not pairs:
        raise ValueError("one prediction has no discrepancy; two or more are needed")
    return sum(pairs[1:], pairs[0]) / len(pairs)
