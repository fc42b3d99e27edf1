"""Learning curves of several methods: every run, their mean, and a band."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from ads_det.benchmark.statistics import Curve
from ads_det.report.curves import metric_label


def plot_comparison(
    curves: Mapping[str, Mapping[int, Curve]],
    metric: str,
    by_objects: bool = False,
    published: Sequence[Mapping[str, Any]] = (),
    intervals: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> Figure:
    """Draw every run thin, the mean of a method thick, a standard deviation to each side.

    Args:
        curves: by method and seed.
        metric: name of the axis.
        by_objects: put labelled objects on the axis, each run at its own, instead of images.
        published: entries of ``docs/published_results.json`` to draw beside them; their x must
            be images and their y have the unit of the metric.
        intervals: ends of the interval of each value over test images, of methods with one run.
    """
    lines = len(curves) + len(published)
    figure = Figure(figsize=(6, 3.7 + 0.22 * lines), layout="constrained")
    axes = figure.add_subplot()
    colors = colormaps["tab10"].colors
    for i, (method, runs) in enumerate(curves.items()):
        color = colors[i % len(colors)]
        costs = [c.objects if by_objects else c.images for c in runs.values()]
        for cost, curve in zip(costs, runs.values(), strict=True):
            axes.plot(cost, curve.values, color=color, lw=0.6, alpha=0.6)
        length = min(len(c.values) for c in runs.values())
        x = np.mean([cost[:length] for cost in costs], axis=0)
        values = np.array([c.values[:length] for c in runs.values()])
        mean = values.mean(axis=0)
        label = f"{method} ({len(runs)} run{'s' if len(runs) > 1 else ''})"
        axes.plot(x, mean, color=color, lw=2, marker="o", ms=4, label=label)
        if len(runs) > 1:
            deviation = values.std(axis=0, ddof=1)
            axes.fill_between(x, mean - deviation, mean + deviation, color=color, alpha=0.12, lw=0)
        elif intervals and method in intervals:
            low, high = np.array(intervals[method]).T
            axes.fill_between(x, low, high, color=color, alpha=0.12, lw=0)
    for marker, entry in zip(itertools.cycle("osv^Dx"), published):
        label = f"{entry['method']} (published, {entry['paper']})"
        axes.plot(entry["x"], entry["y"], "k--", marker=marker, ms=3, lw=1, alpha=0.6, label=label)
    xlabel = "labelled objects" if by_objects else "labelled images"
    axes.set(xlabel=xlabel, ylabel=metric_label(metric.removeprefix("mean/")))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", fontsize=9)  # inside it would cover curves
    return figure
