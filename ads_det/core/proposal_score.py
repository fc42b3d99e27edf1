"""From which score on a model's boxes are worth showing to a person who labels."""

from __future__ import annotations

import numpy as np

LEAST_PRECISION = 0.5
FEWEST = 10  # boxes on which a precision rests


def least_score(
    scores: np.ndarray,
    hits: np.ndarray,
    precision: float = LEAST_PRECISION,
    fewest: int = FEWEST,
) -> tuple[float, float] | None:
    """The smallest score t for which the boxes that score t or more are right often enough.

    The precision at t is the mean of ``hits`` over all boxes with a score of at least t.

    Args:
        scores: of boxes in images that were not trained on, shape (N,).
        hits: whether each is right, shape (N,).
        precision: least share of right boxes, from 0 to 1.
        fewest: boxes that must score t or more; the precision of fewer says little.

    Returns:
        t and the precision there, or None where no score is enough.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, right = scores[order], np.cumsum(hits[order])
    count = np.arange(1, len(scores) + 1)
    is_last = np.append(ranked[1:] != ranked[:-1], True)[: len(scores)]  # of boxes with one score
    enough = is_last & (count >= fewest) & (right >= precision * count)
    found = np.flatnonzero(enough)
    if not len(found):
        return None
    return float(ranked[found[-1]]), float(right[found[-1]] / count[found[-1]])
