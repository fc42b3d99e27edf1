"""Eq. 3: the entropy of two classifiers' predictions."""

from __future__ import annotations

import torch
from torch import Tensor

ENTROPY_OF = ("mean", "max", "min")


def entropy(y: Tensor) -> Tensor:
    """Entropy ``-sum_c y_c log y_c`` in nats.

    With sigmoid outputs the classes need not sum to one; the sum then runs over the C
    independent class probabilities exactly as the paper writes it.

    Args:
        y: class probabilities in [0, 1], shape (..., C).

    Returns:
        Shape (...), at least 0 and at most C / e. Computed in float32 or wider.
    """
    y = y if y.dtype == torch.float64 else y.float()
    return torch.special.entr(y).sum(dim=-1)


def mean_entropy(y1: Tensor, y2: Tensor, entropy_of: str = "mean") -> Tensor:
    """Eq. 3: ``E = -1/2 (sum_c y1 log y1 + sum_c y2 log y2)``.

    Args:
        y1: probabilities of classifier f1, shape (..., C).
        y2: probabilities of classifier f2, same shape.
        entropy_of: ``'mean'`` (Eq. 3), or the ``'max'`` or ``'min'`` of the two classifiers'
            entropies (Table 2).

    Returns:
        Shape (...), in nats.

    Raises:
        ValueError: if ``entropy_of`` is none of the three.
    """
    e1, e2 = entropy(y1), entropy(y2)
    if entropy_of == "mean":
        return (e1 + e2) / 2
    if entropy_of == "max":
        return torch.maximum(e1, e2)
    if entropy_of == "min":
        return torch.minimum(e1, e2)
    raise ValueError(f"entropy_of is {entropy_of!r}; use one of {', '.join(ENTROPY_OF)}")
