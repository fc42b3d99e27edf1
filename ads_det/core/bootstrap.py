"""How far an average precision may be off, since other test images could have been drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 400
_RECALLS = np.arange(0, 1 + 1e-3, 0.1)  # to the last bit those of mmdet, whose mAP is shown


@dataclass(frozen=True)
class ClassHits:
    """Detections of one class in all test images.

    Args:
        scores: shape (D,).
        hits: whether each found an object that no better one had found, shape (D,).
        images: position of the image of each, shape (D,).
        objects: objects in each image, shape (N,).
    """

    scores: np.ndarray
    hits: np.ndarray
    images: np.ndarray
    objects: np.ndarray


def average_precisions(found: ClassHits, weights: np.ndarray, eleven: bool) -> np.ndarray:
    """Average precision of one class when each image counts as often as its weight says.

    Args:
        found: its detections.
        weights: shape (B, N).
        eleven: mean of the best precision at recalls of 0, 0.1, ... 1 (VOC 2007); else the area
            under the curve of the best precision at each recall or above (VOC 2012).

    Returns:
        Shape (B,); NaN where no object has weight.
    """
    order = np.argsort(-found.scores, kind="stable")
    last = int(np.flatnonzero(found.hits[order]).max(initial=-1)) + 1  # after it nothing is found
    order = order[:last]
    total = weights @ found.objects
    count = weights[:, found.images[order]]
    hit = np.cumsum(count * found.hits[order], axis=1)
    seen = np.cumsum(count, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(total[:, None] > 0, hit / total[:, None], 0.0)
    precision = hit / np.maximum(seen, np.finfo(float).eps)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]  # at this recall or above
    if eleven:
        at = [np.where(recall >= r, best, 0).max(axis=1, initial=0) for r in _RECALLS]
        result = np.mean(at, axis=0)
    else:
        result = (np.diff(recall, axis=1, prepend=0) * best).sum(axis=1)
    return np.where(total > 0, result, np.nan)


def mean_precision_interval(
    classes: Sequence[ClassHits], eleven: bool, level: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the mean average precision, over test images.

    Args:
        classes: detections of each class, on the same N images.
        eleven: see :func:`average_precisions`.
        level: share of the resamples inside.
        seed: Seed of the resamples.

    Returns:
        Its two ends; None with fewer than two images or no object.
    """
    number = len(classes[0].objects) if classes else 0
    if number < 2 or not any(found.objects.any() for found in classes):
        return None
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(number, np.full(number, 1 / number), size=RESAMPLES)
    sums, counts = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    for found in classes:
        # some resamples at a time: a row has as many numbers as there are detections
        rows = max(1, 2_000_000 // max(len(found.scores), 1))
        parts = [weights[i : i + rows] for i in range(0, RESAMPLES, rows)]
        values = np.concatenate([average_precisions(found, part, eleven) for part in parts])
        sums += np.nan_to_num(values)
        counts += np.isfinite(values)
    means = sums[counts > 0] / counts[counts > 0]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
