"""Eq. 3: the entropy of two classifiers' predictions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

ENTROPY_OF = ("mean", "max", "min")


def entropy(y: Tensor, normalize: bool = False, base: float = math.e) -> Tensor:
    """Entropy ``-sum_c y_c log y_c``, in nats unless another base is given.

    With sigmoid outputs the classes need not sum to one; the sum then runs over the C
    independent class probabilities exactly as the paper writes it. The authors' published code
    divides them by their sum and takes logarithms of base 2 instead.

    Args:
        y: class probabilities in [0, 1], shape (..., C).
        normalize: divide the probabilities by their sum over the classes first.
        base: of the logarithm.

    Returns:
        Shape (...), from 0 to :func:`entropy_bound`. Computed in float32 or wider.
    """
    y = y if y.dtype == torch.float64 else y.float()
    if normalize:
        y = y / y.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(y.dtype).tiny)
    nats = torch.special.entr(y).sum(dim=-1)
    return nats if base == math.e else nats / math.log(base)


def entropy_bound(num_classes: int, normalize: bool = False, base: float = math.e) -> float:
    """The largest value of :func:`entropy`: ``log C`` of a distribution, else ``C / e`` (in
    nats, since each term ``-y log y`` is at most 1 / e)."""
    return (math.log(num_classes) if normalize else num_classes / math.e) / math.log(base)


def mean_entropy(
    y1: Tensor,
    y2: Tensor,
    entropy_of: str = "mean",
    normalize: bool = False,
    base: float = math.e,
) -> Tensor:
    """Eq. 3: ``E = -1/2 (sum_c y1 log y1 + sum_c y2 log y2)``.

    Args:
        y1: probabilities of classifier f1, shape (..., C).
        y2: probabilities of classifier f2, same shape.
        entropy_of: ``'mean'`` (Eq. 3), or the ``'max'`` or ``'min'`` of the two classifiers'
            entropies (Table 2).
        normalize: see :func:`entropy`.
        base: see :func:`entropy`.

    Returns:
        Shape (...), in nats unless another base is given.

    Raises:
        ValueError: if ``entropy_of`` is none of the three.
    """
    e1, e2 = entropy(y1, normalize, base), entropy(y2, normalize, base)
    if entropy_of == "mean":
        return (e1 + e2) / 2
    if entropy_of == "max":
        return torch.maximum(e1, e2)
    if entropy_of == "min":
        return torch.minimum(e1, e2)
    raise ValueError(f"entropy_of is {entropy_of!r}; use one of {', '.join(ENTROPY_OF)}")


def class_entropy(y1: Tensor, y2: Tensor) -> Tensor:
    """The terms of Eq. 3, one for each class: ``-1/2 (y1_c log y1_c + y2_c log y2_c)``.

    Args:
        y1: probabilities of classifier f1, shape (..., C).
        y2: probabilities of classifier f2, same shape.

    Returns:
        Shape (..., C), in nats, from 0 to 1 / e, float32 or wider; their sum over the classes is
        :func:`mean_entropy`.
    """
    y1, y2 = (y if y.dtype == torch.float64 else y.float() for y in (y1, y2))
    return (torch.special.entr(y1) + torch.special.entr(y2)) / 2


def check_entropy(normalize: object, base: object) -> None:
    """Refuse arguments of :func:`entropy` without meaning.

    Raises:
        ValueError: if ``normalize`` is no truth value or ``base`` no number above 1.
    """
    if not isinstance(normalize, bool):
        raise ValueError(f"normalize is {normalize!r}; use True or False")
    if isinstance(base, bool) or not isinstance(base, (int, float)) or base <= 1:
        raise ValueError(f"base is {base!r}; use a number above 1, such as 2")
