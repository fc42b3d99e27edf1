"""Learning curves."""

from __future__ import annotations

from typing import IO, Any

from matplotlib.figure import Figure


def plot_learning_curve(rows: list[dict[str, Any]], metric: str, file: IO[bytes]) -> None:
    """Draw the metric over the labelled images, once for each classifier, as a PNG.

    Args:
        rows: content of ``metrics.json`` of each cycle.
        metric: key of the evaluation.
        file: open for binary writing.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    images = [row["labeled_images"] for row in rows]
    styles = {"f1": dict(ls=":", lw=1), "f2": dict(ls="--", lw=1), "mean": dict(lw=2, marker="o")}
    for name, style in styles.items():
        values = [row["metrics"].get(f"{name}/{metric}") for row in rows]
        if None not in values:
            axes.plot(images, values, label=name, **style)
    for image, row in zip(images, rows, strict=True):
        value = row["metrics"][f"mean/{metric}"]
        axes.annotate(
            f"{value:.3f}", (image, value), (0, 6), textcoords="offset points", ha="center"
        )
    axes.set(xlabel="labelled images", ylabel=metric)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, format="png", dpi=120)
