"""The tables of a comparison, as Markdown, which is readable as it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from ads_det.benchmark.statistics import (
    Comparison,
    Curve,
    area_under_curve,
    compare,
    labels_to_reach,
    mean_and_deviation,
)
from ads_det.errors import ADSError
from ads_det.files import read_json

Curves = dict[str, dict[int, Curve]]  # by method and seed


def read_curves(folder: Path, metric: str | None = None) -> tuple[str, Curves]:
    """Learning curves of every run in a comparison's folder, finished or not.

    Args:
        folder: with ``METHOD/seed_N/history.json``.
        metric: key of ``metrics.json`` such as ``'classifiers/accuracy'``; the mean prediction's
            metric of the config unless given.

    Returns:
        Name of the metric and the curves.

    Raises:
        ADSError: if there is no run.
    """
    curves: Curves = {}
    name = metric or ""
    for path in sorted(folder.glob("*/seed_*/history.json")):
        content = read_json(path)
        name = metric or f"mean/{content['metric']}"
        rows = content["cycles"]
        if any(name not in row["metrics"] for row in rows):
            raise ADSError(f"{path} has no metric {name!r}; use one of {list(rows[0]['metrics'])}.")
        curve = Curve(
            tuple(row["labeled_images"] for row in rows),
            tuple(row["labeled_objects"] for row in rows),
            tuple(row["metrics"][name] for row in rows),
        )
        curves.setdefault(path.parts[-3], {})[int(path.parts[-2].removeprefix("seed_"))] = curve
    if not curves:
        raise ADSError(f"{folder} holds no METHOD/seed_N/history.json; run tools/benchmark.py.")
    return name, curves


def markdown(curves: Curves, metric: str, ceiling: float | None = None) -> str:
    """All tables of a comparison.

    Args:
        curves: of :func:`read_curves`.
        metric: its name.
        ceiling: result of training on all labels, for the labels needed to reach a share of it.
    """
    parts = [f"Metric: {metric}.", means_table(curves), pairs_table(curves), runs_table(curves)]
    if ceiling is not None:
        parts.insert(2, reach_table(curves, ceiling))
    return "\n\n".join(parts) + "\n"


def means_table(curves: Curves) -> str:
    """Mean and standard deviation over seeds at each budget, and of the area."""
    budgets = sorted({n for runs in curves.values() for c in runs.values() for n in c.images})
    rows = []
    for method, runs in curves.items():
        cells = []
        for budget in budgets:
            values = [c.values[c.images.index(budget)] for c in runs.values() if budget in c.images]
            cells.append(_mean_cell(values, len(runs)))
        areas = [area_under_curve(c.images, c.values) for c in runs.values()]
        rows.append([method, str(len(runs)), *cells, _mean_cell(areas, len(runs))])
    return "Mean ± standard deviation over seeds.\n\n" + _table(
        ["method", "seeds", *(f"{b} images" for b in budgets), "area"], rows
    )


def pairs_table(curves: Curves) -> str:
    """Every pair of methods; a difference is bold only if its interval excludes 0."""
    rows = []
    for a, b in combinations(curves, 2):
        if not curves[a].keys() & curves[b].keys():
            continue
        by_images = compare(curves[a], curves[b])
        by_objects = compare(curves[a], curves[b], by_objects=True)
        rows.append(
            [
                f"{a} − {b}",
                str(len(by_images.each)),
                _difference_cell(by_images),
                _difference_cell(by_objects),
                f"{by_images.wins}/{by_images.ties}/{by_images.losses}",
            ]
        )
    if not rows:
        return "There is only one method: nothing to compare."
    return (
        "Paired differences of the normalised area under the learning curve, with bootstrap 95 % "
        "interval over seeds; bold: at least three seeds and an interval without 0.\n\n"
        + _table(["pair", "seeds", "by images", "by objects", "win/tie/loss"], rows)
    )


def reach_table(curves: Curves, ceiling: float, shares: Sequence[float] = (0.8, 0.9, 0.95)) -> str:
    """Labelled images needed to reach shares of the ceiling, from the mean curve's runs."""
    rows = []
    for method, runs in curves.items():
        cells = []
        for share in shares:
            needed = [labels_to_reach(c.images, c.values, share * ceiling) for c in runs.values()]
            reached = [n for n in needed if n is not None]
            mean = f"{sum(reached) / len(reached):.0f} " if reached else ""
            cells.append(f"{mean}({len(reached)} of {len(needed)} runs)")
        rows.append([method, *cells])
    return f"Images needed to reach a share of the ceiling {ceiling:.4f}.\n\n" + _table(
        ["method", *(f"{share:.0%}" for share in shares)], rows
    )


def runs_table(curves: Curves) -> str:
    """Every single run."""
    rows = [
        [method, str(seed), *(f"{v:.4f}" for v in curve.values)]
        for method, runs in curves.items()
        for seed, curve in sorted(runs.items())
    ]
    width = max(len(row) for row in rows)
    header = ["method", "seed", *(f"cycle {i}" for i in range(width - 2))]
    return "Every run.\n\n" + _table(header, [row + [""] * (width - len(row)) for row in rows])


def _mean_cell(values: Sequence[float], of: int) -> str:
    if not values:
        return ""
    mean, deviation = mean_and_deviation(values)
    text = f"{mean:.4f}" if len(values) == 1 else f"{mean:.4f} ± {deviation:.4f}"
    return text if len(values) == of else f"{text} (n={len(values)})"


def _difference_cell(comparison: Comparison) -> str:
    low, high = comparison.interval
    text = f"{comparison.difference:+.4f}"
    text = f"**{text}**" if comparison.is_certain else text
    return text if len(comparison.each) == 1 else f"{text} [{low:+.4f}, {high:+.4f}]"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
