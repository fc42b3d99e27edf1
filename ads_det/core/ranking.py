"""From the values of many anchors to one score an image, and from scores to an order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

REDUCTIONS = ("mean", "sum", "kth")


def check_topk(topk: int | float) -> int | float:
    """``topk`` itself if it is a positive whole number or a fraction in (0, 1].

    Raises:
        ValueError: otherwise.
    """
    whole = isinstance(topk, int) and not isinstance(topk, bool) and topk >= 1
    fraction = isinstance(topk, float) and 0 < topk <= 1
    if not (whole or fraction):
        raise ValueError(
            f"topk is {topk!r}; use a whole number of anchors (1 or more) or a fraction in (0, 1]"
        )
    return topk


def check_reduction(reduction: str) -> None:
    """Refuse a ``reduction`` that :func:`topk_reduce` does not know.

    Raises:
        ValueError: then.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction is {reduction!r}; use one of {', '.join(REDUCTIONS)}")


def topk_reduce(values: Tensor, topk: int | float = 1000, reduction: str = "mean") -> Tensor:
    """Score of an image from the k largest values over its anchors.

    The paper keeps 'the top-1000 largest entropy' (Sec. 4.3), 11.5 % of SSD300's 8,732
    anchors, and does not say how they become one number.

    Args:
        values: one value an anchor, shape (N, A), or (N,) for a classifier (returned as is).
        topk: number of anchors (at most A are used) or, as a float in (0, 1], their fraction
            (at least one anchor).
        reduction: ``'mean'``, ``'sum'`` or ``'kth'`` (the smallest of the k largest).

    Returns:
        Shape (N,).

    Raises:
        ValueError: if ``topk`` or ``reduction`` has no meaning.
    """
    check_topk(topk)
    check_reduction(reduction)
    if values.dim() == 1:
        return values
    anchors = values.shape[1]
    k = max(1, round(topk * anchors)) if isinstance(topk, float) else min(topk, anchors)
    largest = values.topk(k, dim=1).values
    if reduction == "mean":
        return largest.mean(dim=1)
    return largest.sum(dim=1) if reduction == "sum" else largest[:, -1]


def as_scores(ids: Sequence[str], scores: Sequence[float] | np.ndarray | Tensor) -> np.ndarray:
    """One finite number a candidate, whatever a strategy gave.

    Args:
        ids: one id a candidate.
        scores: Their scores, shape (N,).

    Raises:
        ValueError: if they are no real numbers, are more or fewer than the ids, or one is not
            finite (its id is named).
    """
    if isinstance(scores, Tensor) and not scores.is_complex():
        scores = scores.detach().cpu().double()
    try:
        given = np.asarray(scores)
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"the scores are no list of numbers ({error})") from error
    if given.shape != (len(ids),):
        raise ValueError(
            f"the scores have the shape {given.shape}, but there are {len(ids)} ids; they must "
            "match one to one"
        )
    if given.dtype.kind not in "biuf":
        raise ValueError(f"the scores are of the type {given.dtype}, no real numbers")
    values = given.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ValueError(
            f"the score of {ids[bad[0]]!r} is {values[bad[0]]}; the model or the strategy gives no "
            "finite output"
        )
    return values


def rank(ids: Sequence[str], scores: Sequence[float] | np.ndarray | Tensor) -> list[int]:
    """Positions from the largest score to the smallest; equal scores in order of their ids.

    Args:
        ids: one id a candidate.
        scores: one finite score a candidate.

    Raises:
        ValueError: as :func:`as_scores`.
    """
    values = as_scores(ids, scores)
    by_score = np.argsort(-values, kind="stable")
    changes = np.flatnonzero(np.diff(values[by_score])) + 1
    order: list[int] = by_score.tolist()
    starts, ends = np.append(0, changes), np.append(changes, len(order))
    for start, end in zip(starts[ends - starts > 1].tolist(), ends[ends - starts > 1].tolist()):
        order[start:end] = sorted(order[start:end], key=ids.__getitem__)
    return order
