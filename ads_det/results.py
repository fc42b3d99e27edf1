"""What a finished cycle says of itself: a row of ``history.json``."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ads_det.files import is_count, is_number, read_table, wrong_shape


def is_seconds(value: Any) -> bool:
    """Whether it is a table of seconds by stage."""
    return isinstance(value, dict) and all(is_number(s) and s >= 0 for s in value.values())


def is_metrics(value: Any) -> bool:
    """Whether it is a table of numbers; some metrics are NaN for a class without objects."""
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(type(v) is float or is_number(v) for v in value.values())
    )


def is_ids(value: Any) -> bool:
    """Whether it is a list of ids."""
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


# what a table must hold to be read as a result
RESULT = dict(
    cycle=is_count,
    labeled_images=lambda value: is_count(value) and value > 0,
    labeled_objects=is_count,
    metrics=is_metrics,
)


def is_history_row(value: Any) -> bool:
    """Whether it is what ``history.json`` says of a cycle."""
    return (
        isinstance(value, dict)
        and all(name in value and check(value[name]) for name, check in RESULT.items())
        and is_seconds(value.get("seconds"))
        and is_ids(value.get("unreadable_images", []))
    )


@dataclass(frozen=True, kw_only=True)
class CycleResult:
    """The result of a cycle.

    Args:
        cycle: its number, from 0.
        labeled_images: images that it trained on.
        labeled_objects: objects in them.
        filter_read_labels: whether the phases' filter read labels of unlabelled images.
        unreadable_images: ids that have been left out of the pool so far.
        metrics: by ``prediction/metric``, such as ``'mean/pascal_voc/mAP'``.
        seconds: Seconds of each stage that ran.
    """

    cycle: int
    labeled_images: int
    labeled_objects: int
    filter_read_labels: bool = False
    unreadable_images: list[str] = field(default_factory=list)
    metrics: dict[str, float]
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> CycleResult:
        """Of a checked table; what later versions add is left out."""
        return cls(**{k: v for k, v in content.items() if k in cls.__dataclass_fields__})

    def to_dict(self, seconds: bool = True) -> dict[str, Any]:
        """For JSON; a file that is the same in each run leaves the seconds out."""
        content = asdict(self)
        return content if seconds else {k: v for k, v in content.items() if k != "seconds"}

    def mean(self, metric: str) -> float | None:
        """A metric of the mean prediction; None if the evaluation gave no finite number."""
        value = self.metrics.get(f"mean/{metric}")
        return value if value is not None and math.isfinite(value) else None

    def interval(self, metric: str) -> tuple[float, float] | None:
        """The bootstrap interval of a metric of the mean prediction, if the evaluation gave one."""
        ends = [self.metrics.get(f"mean/{metric}_{end}") for end in ("low", "high")]
        return None if None in ends else (ends[0], ends[1])

    def by_class(self, metric: str) -> dict[str, float]:
        """The average precision of each class that has an object in the test images."""
        start = f"mean/{metric.rpartition('/')[0]}/AP/"
        return {k.removeprefix(start): v for k, v in self.metrics.items() if k.startswith(start)}

    def test_images(self, metric: str) -> int | None:
        """Number of test images, if the evaluation says so."""
        number = self.metrics.get(f"mean/{metric.rpartition('/')[0]}/test_images")
        return None if number is None else int(number)

    def proposals(self) -> tuple[float, float] | None:
        """The least score of boxes worth proposing, and what share of them is right on the test
        images; None if the evaluation found no such score. Where several models were evaluated it
        is that of the first, which proposes."""
        first = "member_0/mean"
        of = first if any(name.startswith(first) for name in self.metrics) else "mean"
        found = [self.metrics.get(f"{of}/proposals/{n}") for n in ("threshold", "precision")]
        return None if None in found else (found[0], found[1])


def read_history(path: Path) -> dict[str, Any]:
    """Content of ``history.json``.

    Raises:
        ADSError: if it is not as a run wrote it.
    """
    content = read_table(
        path,
        metric=lambda value: isinstance(value, str),
        cycles=lambda value: isinstance(value, list) and len(value) > 0,
    )
    for number, row in enumerate(content["cycles"]):
        if not is_history_row(row):
            raise wrong_shape(path, f"`cycles[{number}]` is no result of a cycle")
        if row["cycle"] != number:
            raise wrong_shape(path, f"`cycles[{number}]` is of cycle {row['cycle']}")
        if not is_number(row["metrics"].get(f"mean/{content['metric']}")):
            raise wrong_shape(path, f"`cycles[{number}]` has no number for {content['metric']!r}")
    advice = content.get("advice")  # None in the first cycles, not there in old runs
    if advice is not None and not (
        isinstance(advice, dict) and isinstance(advice.get("text"), str)
    ):
        raise wrong_shape(path, "`advice` has no `text`")
    return content
