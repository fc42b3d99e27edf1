"""What the learning curves of several runs say, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

MIN_SEEDS = 5  # below, all differences have one sign by chance too often (with 3: one time in 4)
RESAMPLES = 10_000
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
        """Whether the interval excludes 0; with fewer than :data:`MIN_SEEDS` seeds never."""
        low, high = self.interval
        return len(self.each) >= MIN_SEEDS and (low > 0 or high < 0)


def area_under_curve(
    costs: Sequence[float],
    values: Sequence[float],
    between: tuple[float, float] | None = None,
) -> float:
    """Normalised area under a learning curve: its mean value between two budgets.

    Args:
        costs: labels of each cycle, ascending.
        values: metric of each cycle, joined by straight lines.
        between: the budgets, within ``costs``; the first and the last unless given.
    """
    low, high = between or (costs[0], costs[-1])
    if low >= high:
        return float(np.interp(low, costs, values))
    x = np.array([low, *(c for c in costs if low < c < high), high], float)
    y = np.interp(x, costs, values)
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum() / (high - low))


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
        a: curve of each seed, all with the same number of cycles.
        b: curve of each seed of the other method.
        by_objects: put labelled objects on the axis of the area instead of images. Each pair is
            compared between the larger of its first and the smaller of its last numbers of
            objects: a method that selects fuller images would else be paid for it twice.

    Raises:
        ValueError: if they have no seed in common, or in one the numbers of images or objects
            of the two do not overlap.
    """
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        raise ValueError("the methods have no seed in common")
    each, signs = {}, []
    for seed in seeds:
        pair = a[seed], b[seed]
        costs = [c.objects if by_objects else c.images for c in pair]
        between = (max(c[0] for c in costs), min(c[-1] for c in costs))
        if between[0] > between[1]:
            raise ValueError(f"the budgets of seed {seed} do not overlap")
        areas = [area_under_curve(cost, c.values, between) for cost, c in zip(costs, pair)]
        each[seed] = areas[0] - areas[1]
        signs += [x - y for x, y in zip(pair[0].values, pair[1].values, strict=True)]
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

    With few seeds it is too narrow: with three it reaches from the smallest difference to the
    largest, which is why :attr:`Comparison.is_certain` asks for more.
    """
    if len(differences) < 2:
        return np.nan, np.nan
    values = np.asarray(differences)
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)
