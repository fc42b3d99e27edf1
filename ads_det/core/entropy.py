"""Eq. 3: the entropy of several classifiers' predictions."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ENTROPY_OF = ("mean", "max", "min")


@dataclass(frozen=True)
class EntropyRule:
    """How the entropy of several predictions is computed; the default is the paper's Eq. 3.

    Args:
        entropy_of: ``'mean'`` (Eq. 3), ``'max'`` or ``'min'`` of the members' entropies (Table 2).
        normalize: divide the probabilities by their sum over the classes first. The authors'
            published code does so, the paper does not.
        base: base of the logarithm; 2 in the published code.

    Raises:
        ValueError: if an argument has no meaning.
    """

    entropy_of: str = "mean"
    normalize: bool = False
    base: float = math.e

    def __post_init__(self) -> None:
        if self.entropy_of not in ENTROPY_OF:
            raise ValueError(
                f"entropy_of is {self.entropy_of!r}; use one of {', '.join(ENTROPY_OF)}"
            )
        if not isinstance(self.normalize, bool):
            raise ValueError(f"normalize is {self.normalize!r}; use True or False")
        is_number = isinstance(self.base, (int, float)) and not isinstance(self.base, bool)
        if not is_number or not 1 < self.base < math.inf:
            raise ValueError(f"base is {self.base!r}; use a number above 1, such as 2")


PAPER = EntropyRule()


def entropy(y: Tensor, rule: EntropyRule = PAPER) -> Tensor:
    """Entropy ``-sum_c y_c log y_c`` of one prediction, in nats unless the rule has another base.

    With sigmoid outputs the classes need not sum to one; the sum then runs over the C
    independent class probabilities exactly as the paper writes it.

    Args:
        y: class probabilities in [0, 1], shape (..., C).
        rule: whether to normalise, and the base of the logarithm.

    Returns:
        Shape (...), from 0 to :func:`entropy_bound`. Computed in float32 or wider.
    """
    y = _wide(y)
    if rule.normalize:
        y = y / y.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(y.dtype).tiny)
    nats = _terms(y).sum(dim=-1)
    return nats if rule.base == math.e else nats / math.log(rule.base)


def entropy_bound(num_classes: int, rule: EntropyRule = PAPER) -> float:
    """The largest value of :func:`entropy`: ``log C`` of a distribution, else ``C / e`` (in
    nats, since each term ``-y log y`` is at most 1 / e)."""
    nats = math.log(num_classes) if rule.normalize else num_classes / math.e
    return nats / math.log(rule.base)


def mean_entropy(members: Sequence[Tensor], rule: EntropyRule = PAPER) -> Tensor:
    """Eq. 3 for K members; with two: ``E = -1/2 (sum_c y1 log y1 + sum_c y2 log y2)``.

    Args:
        members: probabilities of each member, K tensors of shape (..., C).
        rule: see :class:`EntropyRule`.

    Returns:
        Shape (...).

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape(members)
    each = [entropy(y, rule) for y in members]
    if rule.entropy_of == "mean":
        return sum(each[1:], each[0]) / len(each)
    choose = torch.maximum if rule.entropy_of == "max" else torch.minimum
    return functools.reduce(choose, each)


def class_entropy(members: Sequence[Tensor]) -> Tensor:
    """The terms of Eq. 3, one for each class; with two members
    ``-1/2 (y1_c log y1_c + y2_c log y2_c)``.

    Args:
        members: probabilities of each member, K tensors of shape (..., C).

    Returns:
        Shape (..., C), in nats, from 0 to 1 / e, float32 or wider; their sum over the classes is
        :func:`mean_entropy`.

    Raises:
        ValueError: if the shapes differ.
    """
    check_same_shape(members)
    each = [_terms(_wide(y)) for y in members]
    return sum(each[1:], each[0]) / len(each)


def check_same_shape(tensors: Sequence[Tensor]) -> None:
    """Refuse tensors that would broadcast.

    Raises:
        ValueError: if there is none, or their shapes differ.
    """
    shapes = {tuple(t.shape) for t in tensors}
    if len(shapes) != 1:
        found = ", ".join(map(str, sorted(shapes))) or "none"
        raise ValueError(f"predictions of one shape are needed, got {found}")


def _terms(y: Tensor) -> Tensor:
    """``-y log y``, 0 at 0: ``torch.special.entr`` takes eight times as long on a CPU."""
    return y.clamp(min=torch.finfo(y.dtype).tiny).log_().mul_(y).neg_()


def _wide(y: Tensor) -> Tensor:
    return y if y.dtype == torch.float64 else y.float()
