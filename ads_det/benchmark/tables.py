"""The tables of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ads_det.benchmark.run_folder import RunFolder
from ads_det.benchmark.statistics import (
    MIN_SEEDS,
    Comparison,
    Curve,
    area_under_curve,
    compare,
    labels_to_reach,
    mean_and_deviation,
)
from ads_det.errors import ADSError

Curves = dict[str, dict[int, Curve]]  # by method and seed


def read_curves(
    runs: Mapping[str, Mapping[int, RunFolder]], metric: str | None = None
) -> tuple[str, Curves]:
    """Learning curves of runs, finished or not.

    Args:
        runs: by method and seed.
        metric: key of ``metrics.json`` such as ``'classifiers/accuracy'``; the mean prediction's
            metric of the config unless given.

    Returns:
        Name of the metric and the curves.

    Raises:
        ADSError: if a run has no such metric.
    """
    curves: Curves = {}
    name = metric or ""
    for method, by_seed in runs.items():
        for seed, run in by_seed.items():
            if metric is None and name not in ("", run.metric):
                raise ADSError(
                    f"{run.path} is measured by {run.metric!r}, others by {name!r}; name one that "
                    "all have with --metric, or compare runs of one metric."
                )
            name = metric or run.metric
            if any(name not in row.metrics for row in run.rows):
                known = ", ".join(run.rows[0].metrics)
                raise ADSError(f"{run.path} has no metric {name!r}; use one of {known}.")
            curves.setdefault(method, {})[seed] = Curve(
                tuple(row.labeled_images for row in run.rows),
                tuple(row.labeled_objects for row in run.rows),
                tuple(row.metrics[name] for row in run.rows),
            )
    return name, curves


@dataclass(frozen=True)
class Table:
    """A caption, and text in cells; ``**`` around a text makes it bold."""

    name: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Readable as it is."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return f"{self.caption}\n\n" + "\n".join("| " + " | ".join(x) + " |" for x in lines)


def comparison_tables(curves: Curves, ceiling: float | None = None) -> list[Table]:
    """All tables of a comparison.

    Args:
        curves: result of :func:`read_curves`.
        ceiling: result of training on all labels, for the labels needed to reach a share of it.

    Raises:
        ADSError: if the ceiling is a percentage and the results are shares.
    """
    values = (v for runs in curves.values() for curve in runs.values() for v in curve.values)
    if ceiling is not None and ceiling > 1 >= max(values, default=0):
        raise ADSError(f"--ceiling is {ceiling}, but results go to 1; give {ceiling / 100:g}.")
    tables = [means_table(curves)]
    if len(curves) > 1:
        tables.append(pairs_table(curves))
    if ceiling is not None:
        tables.append(reach_table(curves, ceiling))
    return [*tables, runs_table(curves)]


def means_table(curves: Curves) -> Table:
    """Mean and standard deviation over seeds at each budget, and of the area."""
    budgets = sorted({n for runs in curves.values() for c in runs.values() for n in c.images})
    rows = []
    for method, runs in curves.items():
        cells = []
        for budget in budgets:
            values = [c.values[c.images.index(budget)] for c in runs.values() if budget in c.images]
            cells.append(_mean_cell(values, len(runs)))
        areas = [area_under_curve(c.images, c.values) for c in whole_runs(curves)[method].values()]
        rows.append([method, str(len(runs)), *cells, _mean_cell(areas, len(runs))])
    header = ["method", "seeds", *(f"{b} images" for b in budgets), "area"]
    return Table("means", "Mean ± standard deviation over seeds.", header, rows)


def whole_runs(curves: Curves) -> Curves:
    """The runs with as many cycles as the longest; others would shift means and pairs."""
    longest = max(len(c.values) for runs in curves.values() for c in runs.values())
    return {
        method: {seed: c for seed, c in runs.items() if len(c.values) == longest}
        for method, runs in curves.items()
    }


def pairs_table(curves: Curves) -> Table:
    """Every pair of methods over their whole runs; bold as :attr:`Comparison.is_certain` says."""
    rows, curves = [], whole_runs(curves)
    for a, b in combinations(curves, 2):
        if not curves[a].keys() & curves[b].keys():
            continue
        try:
            by_images = compare(curves[a], curves[b])
            by_objects = compare(curves[a], curves[b], by_objects=True)
        except ValueError as error:
            raise ADSError(
                f"{a} and {b} cannot be compared ({error}); leave one of them out, or run both "
                "with the same active_learning.initial, budget and cycles."
            ) from error
        rows.append(
            [
                f"{a} − {b}",
                str(len(by_images.each)),
                _difference_cell(by_images),
                _difference_cell(by_objects),
                f"{by_images.wins}/{by_images.ties}/{by_images.losses}",
            ]
        )
    caption = (
        "Paired differences of the normalised area under the learning curve, with bootstrap 95 % "
        f"interval over seeds; bold: an interval without 0 over at least {MIN_SEEDS} seeds (with "
        "three, all three differences have one sign one time in four by chance alone)."
    )
    return Table(
        "pairs", caption, ["pair", "seeds", "by images", "by objects", "win/tie/loss"], rows
    )


def reach_table(
    curves: Curves, ceiling: float, shares: Sequence[float] = (0.8, 0.9, 0.95)
) -> Table:
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
    caption = f"Images needed to reach a share of the ceiling {ceiling:.4f}."
    return Table("reach", caption, ["method", *(f"{share:.0%}" for share in shares)], rows)


def runs_table(curves: Curves) -> Table:
    """Every single run."""
    rows = [
        [method, str(seed), *(f"{v:.4f}" for v in curve.values)]
        for method, runs in curves.items()
        for seed, curve in sorted(runs.items())
    ]
    width = max(len(row) for row in rows)
    header = ["method", "seed", *(f"cycle {i}" for i in range(width - 2))]
    padded = [row + [""] * (width - len(row)) for row in rows]
    return Table("runs", "Every run.", header, padded)


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
