"""A run in three sentences, for somebody who decides whether to go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ads_det.results import CycleResult


def summary(rows: Sequence[CycleResult], metric: str, advice: Mapping[str, Any]) -> list[str]:
    """Where the run is, what the last batch brought, and what the next may bring and cost.

    Args:
        rows: results of the cycles, at least one.
        metric: Metric of the mean prediction.
        advice: What ``history.json`` expects of the next batch; empty as long as there is none.
    """
    last, name = rows[-1], metric.rpartition("/")[2]
    return [_now(last, metric, name), _last_batch(rows, metric, name), _next(advice, rows, name)]


def _now(last: CycleResult, metric: str, name: str) -> str:
    text = f"With {last.labeled_images:,} labelled images ({last.labeled_objects:,} objects) the "
    text += f"{name} is {last.metrics[f'mean/{metric}']:.3f}"
    if interval := last.interval(metric):
        text += f" (95 % interval {interval[0]:.2f} to {interval[1]:.2f}, over "
        text += f"{last.test_images(metric)} test images)"
    return text + "."


def _last_batch(rows: Sequence[CycleResult], metric: str, name: str) -> str:
    if len(rows) < 2:
        return "This is the first cycle, so there is nothing to compare it with."
    before, last = rows[-2:]
    gain = last.metrics[f"mean/{metric}"] - before.metrics[f"mean/{metric}"]
    new = last.labeled_images - before.labeled_images
    text = f"The last {new:,} labelled images changed the {name} by {gain:+.3f}"
    ends = last.interval(metric), before.interval(metric)
    if ends[0] and ends[1]:
        apart = ends[0][0] > ends[1][1] or ends[0][1] < ends[1][0]
        text += (
            ", and the intervals before and after do not overlap"
            if apart
            else ", which is within what the draw of test images alone may do"
        )
    return text + "."


def _next(advice: Mapping[str, Any], rows: Sequence[CycleResult], name: str) -> str:
    gain, images = advice.get("expected_gain"), advice.get("next_images")
    if gain is None or images is None:
        return "What the next batch will bring cannot be said before the third cycle."
    if not images:
        return "No image is left to label."
    minutes = sum(rows[-1].seconds.values()) / 60
    return (
        f"The next {images:,} images (about {advice.get('next_objects', 0):,} objects to draw, and "
        f"{minutes:.0f} min of computing) are expected to change it by {gain:+.3f}"
        + (", too little by the rule of the run: stop here." if advice.get("stop") else ".")
    )


def plot_classes(by_class: Mapping[str, float], before: Mapping[str, float]) -> Figure:
    """Average precision of each class, the worst on top; that of the cycle before is a mark."""
    names = sorted(by_class, key=lambda name: by_class[name], reverse=True)
    figure = Figure(figsize=(6, 0.32 * len(names) + 1), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(names, [by_class[name] for name in names], color="tab:blue", label="last cycle")
    known = [name for name in names if name in before]
    axes.plot([before[n] for n in known], known, "k|", ms=12, mew=2, label="cycle before")
    axes.set(xlim=(0, 1), xlabel="average precision")
    axes.grid(alpha=0.3, axis="x")
    if known:
        axes.legend(fontsize=8)
    return figure
