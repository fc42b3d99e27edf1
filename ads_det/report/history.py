"""One row a cycle: a table for the console, JSON and CSV for programs, a curve for people."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ads_det.errors import ADSError
from ads_det.files import write_atomic, write_csv, write_json
from ads_det.report.advice import Advice, advise
from ads_det.report.curves import plot_learning_curve
from ads_det.results import CycleResult
from ads_det.work_files import RunFiles

_CLASSIFIERS = ("mean", "classifier_1", "classifier_2")
_MEAN_OF_SINGLE = "classifiers"  # the mean of their metrics, where the evaluation gives it
FEW_TEST_IMAGES = 50
SHOWN_CLASSES = 10
_STAGES = ("train", "evaluate", "select")
_WIDTH = 80  # of the table; terminals have as many columns


class History:
    """Results of the finished cycles of a run.

    Args:
        files: files of the run, of which history, its table and the curve are written.
        metric: key of the evaluation to show, such as ``'pascal_voc/mAP'``.
        budget: images of the next batch, for the advice; None for no advice.
        min_gain: gain of the metric for which a batch is worth its price; 0 never says stop.
        most: images that can be labelled in all; None for no bound.
    """

    def __init__(
        self,
        files: RunFiles,
        metric: str,
        budget: int | None = None,
        min_gain: float = 0.0,
        most: int | None = None,
    ) -> None:
        self.files, self.metric = files, metric
        self.budget, self.min_gain, self.most = budget, min_gain, most
        self.rows: list[CycleResult] = []

    def add(self, result: CycleResult) -> None:
        """Append a cycle.

        Raises:
            ADSError: if it was not evaluated by the metric.
        """
        if result.mean(self.metric) is None:
            path = self.files.cycle(result.cycle).metrics_file
            raise ADSError(
                f"{path} has no number for 'mean/{self.metric}'; restore it, or delete it to "
                "evaluate again."
            )
        self.rows.append(result)

    def write(self) -> None:
        """Write the three files atomically."""
        advice = self._advice()
        cycles = [row.to_dict() for row in self.rows]
        content = dict(metric=self.metric, cycles=cycles, advice=advice and advice.to_dict())
        write_json(self.files.history, content)
        flat = [self._flat(row) for row in self.rows]
        names = list(dict.fromkeys(name for row in flat for name in row))
        write_csv(self.files.history_table, names, [[r.get(n, "") for n in names] for r in flat])
        write_atomic(
            self.files.curve,
            lambda file: plot_learning_curve(self.rows, self.metric, file),
        )

    def table(self) -> str:
        """The table as text."""
        several = len(self._predictions()) > 1
        title = f"{self.metric} of the mean prediction and of each classifier"
        table = Table(
            title=title if several else self.metric,
            title_justify="left",
            box=SIMPLE_HEAD,
            padding=0,
        )
        flat = [self._flat(row) for row in self.rows]
        columns = [n for n in flat[0] if not n.startswith(("AP ", "mean_", "test_"))]
        for name in columns:
            header = name.replace("seconds_", "s\n").replace("classifier_", "classi-\nfier ")
            table.add_column(header.removeprefix("labeled_"), justify="right", no_wrap=True)
        for row, result in zip(flat, self.rows, strict=True):
            cells = {name: self._cell(name, row[name]) for name in columns}
            if interval := result.interval(self.metric):
                cells["mean"] += f" ({interval[0]:.2f}-{interval[1]:.2f})"
            table.add_row(*cells.values())
        console = Console(width=_WIDTH, file=None)
        with console.capture() as capture:
            console.print(table)
        return "\n".join([capture.get().rstrip("\n"), *measured_lines(self.rows[-1], self.metric)])

    def advice_text(self) -> str:
        """Advice after the last cycle; empty as long as there is none."""
        advice = self._advice()
        return advice.text() if advice else ""

    def _advice(self) -> Advice | None:
        if self.budget is None:
            return None
        return advise(self.rows, self.metric, self.budget, self.min_gain, self.most)

    def _predictions(self) -> list[str]:
        """Which predictions are told apart; with one classifier there is nothing to tell."""
        second = f"{_CLASSIFIERS[-1]}/{self.metric}"
        has_two = any(second in row.metrics for row in self.rows)
        return list(_CLASSIFIERS if has_two else _CLASSIFIERS[:1])

    def _flat(self, row: CycleResult) -> dict[str, Any]:
        names = ("cycle", "labeled_images", "labeled_objects")
        flat: dict[str, Any] = {name: getattr(row, name) for name in names}
        for name in self._predictions():
            flat[name] = row.metrics.get(f"{name}/{self.metric}", "")
        mean_of_single = row.metrics.get(f"{_MEAN_OF_SINGLE}/{self.metric}")
        if mean_of_single is not None and len(self._predictions()) > 1:
            flat[_MEAN_OF_SINGLE] = mean_of_single
        flat |= {f"seconds_{s}": row.seconds.get(s, "") for s in _STAGES}
        low, high = row.interval(self.metric) or ("", "")
        flat |= dict(mean_low=low, mean_high=high, test_images=row.test_images(self.metric) or "")
        return flat | {f"AP {name}": v for name, v in row.by_class(self.metric).items()}

    @staticmethod
    def _cell(name: str, value: Any) -> str:
        if isinstance(value, float):
            return f"{value:.0f}" if name.startswith("seconds") else f"{value:.4f}"
        return str(value)


def measured_lines(row: CycleResult, metric: str) -> list[str]:
    """The average precision of each class, what the interval means, and whether there are too few
    test images to tell much."""
    lines = []
    by_class = sorted(row.by_class(metric).items(), key=lambda item: item[1])
    if len(by_class) > 1:
        worst = ", ".join(f"{name} {value:.2f}" for name, value in by_class[:SHOWN_CLASSES])
        more = ", ..." if len(by_class) > SHOWN_CLASSES else ""
        lines.append(f"Average precision by class, the worst first: {worst}{more}")
    number, interval = row.test_images(metric), row.interval(metric)
    if number is not None and interval:
        lines.append(
            f"In brackets: where 95 % of the results lie for other draws of the {number} test "
            "images."
        )
    return lines + few_test_images(row, metric)


def few_test_images(row: CycleResult, metric: str) -> list[str]:
    """A warning, if there are too few test images to tell much."""
    number = row.test_images(metric)
    if number is None or number >= FEW_TEST_IMAGES:
        return []
    return [
        f"Warning: {number} test images are few (less than {FEW_TEST_IMAGES}); differences between "
        "cycles may be chance."
    ]
