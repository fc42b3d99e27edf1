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
    """The score t from which on boxes are right often enough to be shown.

    Of all t for which the mean of ``hits`` over the boxes with a score of at least t is at least
    ``precision`` (p), it is the one with the largest sum of ``hits - p`` over these boxes: where
    scores rank well, a box with a score of t is just right with probability p, and all better ones
    more often. The smallest t that p allows would add wrong boxes until p is reached exactly,
    however good the model is.

    Args:
        scores: Scores of boxes in images that were not trained on, shape (N,).
        hits: whether each is right, shape (N,).
        precision: least share of right boxes, from 0 to 1.
        fewest: boxes that must score t or more; the precision of fewer says little.

    Returns:
        t, of equal sums the largest, and the mean of ``hits`` there, or None where no score is
        enough.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, right = scores[order], np.cumsum(hits[order])
    count = np.arange(1, len(scores) + 1)
    is_last = np.append(ranked[1:] != ranked[:-1], True)[: len(scores)]  # of boxes with one score
    gain = np.where(is_last & (count >= fewest), right - precision * count, -np.inf)
    best = int(np.argmax(gain)) if len(gain) else 0
    if not len(gain) or gain[best] < 0:
        return None
    return float(ranked[best]), float(right[best] / count[best])
