"""What the learning curves of several runs say, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import stats

TIE = 1e-3  # results that differ by no more are equal: a tenth of a point


@dataclass(frozen=True)
class Curve:
    """Learning curve of one run.

    Args:
        images: labelled images of each cycle.
        objects: labelled objects of each cycle.
        values: metric of each cycle.
    """

    images: tuple[int, ...]
    objects: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """Method a against method b over the seeds both have.

    Args:
        difference: mean over seeds of the difference (a minus b) of the areas.
        interval: bootstrap 95 % interval of that mean; not a number with a single seed.
        each: the difference with each seed.
        wins: budgets and seeds at which a is better; ``ties`` and ``losses`` likewise.
    """

    difference: float
    interval: tuple[float, float]
    each: dict[int, float]
    wins: int
    ties: int
    losses: int

    @property
    def is_certain(self) -> bool:
        """Whether the interval excludes 0; with fewer than three seeds never."""
        low, high = self.interval
        return len(self.each) >= 3 and (low > 0 or high < 0)


def area_under_curve(costs: Sequence[float], values: Sequence[float]) -> float:
    """Normalised area under a learning curve: the mean value between first and last budget, by
    the trapezoid rule; the value itself if there is one budget only."""
    if len(values) == 1 or costs[0] == costs[-1]:
        return float(np.mean(values))
    return float(np.trapezoid(values, costs) / (costs[-1] - costs[0]))


def labels_to_reach(costs: Sequence[float], values: Sequence[float], target: float) -> float | None:
    """Labels at which a curve first reaches ``target``, linearly between the budgets; None if
    it never does."""
    if values[0] >= target:
        return float(costs[0])
    points = list(zip(costs, values, strict=True))
    for (c0, v0), (c1, v1) in pairwise(points):
        if v1 >= target:
            return float(c0 + (c1 - c0) * (target - v0) / (v1 - v0))
    return None


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n - 1); that of one value is not a number."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else np.nan


def compare(a: dict[int, Curve], b: dict[int, Curve], by_objects: bool = False) -> Comparison:
    """Paired comparison of two methods.

    Args:
        a: curve of each seed.
        b: likewise.
        by_objects: put labelled objects on the axis of the area instead of images.

    Raises:
        ValueError: if they have no seed in common.
    """
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        raise ValueError("the methods have no seed in common")
    each, signs = {}, []
    for seed in seeds:
        curves = a[seed], b[seed]
        # the same number of cycles, should one of them not be finished
        length = min(len(c.values) for c in curves)
        areas = [
            area_under_curve((c.objects if by_objects else c.images)[:length], c.values[:length])
            for c in curves
        ]
        each[seed] = areas[0] - areas[1]
        signs += [x - y for x, y in zip(a[seed].values[:length], b[seed].values[:length])]
    return Comparison(
        float(np.mean(list(each.values()))),
        bootstrap_interval(list(each.values())),
        each,
        wins=sum(d > TIE for d in signs),
        ties=sum(abs(d) <= TIE for d in signs),
        losses=sum(d < -TIE for d in signs),
    )


def bootstrap_interval(differences: Sequence[float]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean, from 10,000 resamples of a fixed seed.

    With three seeds it is the range of all possible resampled means and so rather too narrow;
    :attr:`Comparison.is_certain` asks for three at least.
    """
    if len(differences) < 2:
        return np.nan, np.nan
    if len(set(differences)) == 1:
        return differences[0], differences[0]
    result = stats.bootstrap(
        (differences,), np.mean, n_resamples=10_000, method="percentile", rng=0
    )
    return tuple(float(v) for v in result.confidence_interval)
