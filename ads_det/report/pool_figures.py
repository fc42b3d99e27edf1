"""What happened to the pool: classes acquired, scores, seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ads_det.results import CycleResult


def plot_class_histogram(counts: Sequence[Mapping[str, int]]) -> Figure:
    """Labelled objects of each class, what each cycle added in its own shade.

    Args:
        counts: objects of each cycle, by class.
    """
    classes = list(counts[0])
    figure = Figure(figsize=(6, 0.32 * len(classes) + 1), layout="constrained")
    axes = figure.add_subplot()
    before = np.zeros(len(classes))
    for i, cycle in enumerate(counts):
        shade = 0.95 - 0.7 * i / max(len(counts) - 1, 1)
        now = np.array([cycle[c] for c in classes])
        axes.barh(classes, now - before, left=before, color=(0.1, 0.3, 0.6, shade))
        before = now
    axes.invert_yaxis()
    axes.set_xlabel("labelled objects, what each cycle added in a lighter shade")
    return figure


def plot_score_histograms(cycles: Sequence[tuple[int, Mapping[str, float], set[str]]]) -> Figure:
    """Scores of the candidates of each cycle, the picked ones marked.

    Args:
        cycles: number, score of each candidate by id, and ids picked.
    """
    columns = min(len(cycles), 2)
    rows = -(-len(cycles) // columns)
    figure = Figure(figsize=(2.7 * columns + 0.4, 2.1 * rows), layout="constrained")
    for position, (number, scores, picks) in enumerate(cycles, start=1):
        axes = figure.add_subplot(rows, columns, position)
        bins = np.histogram_bin_edges(list(scores.values()), 30)
        rest = [v for k, v in scores.items() if k not in picks]
        axes.hist([[scores[k] for k in picks], rest], bins, stacked=True, color=["C3", "0.75"])
        axes.set_title(f"cycle {number}", fontsize=9)
        axes.set_xlabel("score", fontsize=8)
        axes.tick_params(labelsize=7)
    figure.axes[0].set_ylabel("images (picked: red)", fontsize=8)
    return figure


def plot_seconds(rows: Sequence[CycleResult]) -> Figure:
    """Seconds of each stage, stacked, one bar a cycle.

    Args:
        rows: results of the cycles.
    """
    figure = Figure(figsize=(5, 2.8), layout="constrained")
    axes = figure.add_subplot()
    bottom = np.zeros(len(rows))
    for stage in ("train", "evaluate", "select"):
        seconds = np.array([row.seconds.get(stage, 0.0) for row in rows])
        axes.bar(np.arange(len(rows)), seconds, bottom=bottom, label=stage)
        bottom += seconds
    axes.set(xlabel="cycle", ylabel="seconds")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=8)
    return figure
