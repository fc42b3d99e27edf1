"""Learning curves."""

from __future__ import annotations

from typing import IO

from matplotlib.figure import Figure

from ads_det.results import CycleResult


def metric_label(metric: str) -> str:
    """The name of a metric on an axis."""
    return {"pascal_voc/mAP": "mAP (VOC 11-point, IoU 0.5)"}.get(metric, metric)


def plot_learning_curve(rows: list[CycleResult], metric: str, file: IO[bytes]) -> None:
    """Draw the metric over the labelled images, once for each classifier, as a PNG.

    Args:
        rows: results of the cycles.
        metric: key of the evaluation.
        file: open for binary writing.
    """
    figure = Figure(figsize=(6, 4))
    axes = figure.add_subplot()
    # fixed: matplotlib takes as long to find margins as to draw
    figure.subplots_adjust(left=0.12, right=0.97, bottom=0.13, top=0.95)
    images = [row.labeled_images for row in rows]
    styles = {
        "classifier_1": dict(ls=":", lw=1),
        "classifier_2": dict(ls="--", lw=1),
        "mean": dict(lw=2, marker="o"),
    }
    found = {n: [row.metrics.get(f"{n}/{metric}") for row in rows] for n in styles}
    if None in found["classifier_2"]:  # one classifier is its own mean
        found = {"mean": found["mean"]}
    for name, values in found.items():
        axes.plot(images, values, label=name.replace("_", " "), **styles[name])
    bounds = [row.interval(metric) for row in rows]
    if None not in bounds:
        axes.fill_between(images, *zip(*bounds), alpha=0.15, lw=0, label="95 % interval")
    for image, row in zip(images, rows, strict=True):
        value = row.metrics[f"mean/{metric}"]
        axes.annotate(
            f"{value:.3f}", (image, value), (0, 6), textcoords="offset points", ha="center"
        )
    axes.set(xlabel="labelled images", ylabel=metric_label(metric))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, format="png", dpi=120)
