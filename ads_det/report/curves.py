"""Learning curves."""

from __future__ import annotations

from typing import IO

from matplotlib.figure import Figure

from ads_det.results import CycleResult


def plot_learning_curve(rows: list[CycleResult], metric: str, file: IO[bytes]) -> None:
    """Draw the metric over the labelled images, once for each classifier, as a PNG.

    Args:
        rows: results of the cycles.
        metric: key of the evaluation.
        file: open for binary writing.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
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
    for image, row in zip(images, rows, strict=True):
        value = row.metrics[f"mean/{metric}"]
        axes.annotate(
            f"{value:.3f}", (image, value), (0, 6), textcoords="offset points", ha="center"
        )
    axes.set(xlabel="labelled images", ylabel=metric)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, format="png", dpi=120)
