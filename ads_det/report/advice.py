"""What the next labels may bring, for those who pay for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ads_det.results import CycleResult

MIN_CYCLES = 3  # a curve has three numbers
_EXPONENTS = tuple(i / 10 for i in range(1, 21))


@dataclass(frozen=True)
class LearningCurve:
    """The curve ``a - b * n**(-c)`` of a metric over ``n`` labelled images.

    Args:
        a: where it ends, at most 1.
        b: 0 for a metric that does not rise with the labels.
        c: how fast it flattens.
        cycles: number of results it was fitted to.
        residual: root mean square distance to them, in units of the metric.
    """

    a: float
    b: float
    c: float
    cycles: int
    residual: float

    def __call__(self, n: float) -> float:
        """The metric expected with ``n`` labelled images."""
        return self.a - self.b * n**-self.c

    def __str__(self) -> str:
        return f"{self.a:.3f} - {self.b:.3g} n^-{self.c:.1f}"


def fit_curve(images: Sequence[int], values: Sequence[float]) -> LearningCurve | None:
    """Least squares over ``a <= 1``, ``b >= 0`` and exponents 0.1, 0.2, ... 2.

    Args:
        images: labelled in each cycle, (N,), each at least 1.
        values: values of the metric, (N,), in the range 0 to 1.

    Returns:
        The curve, or None with fewer than three different numbers of images, or with a value
        above 1: then the metric is no fraction.
    """
    if len(set(images)) < MIN_CYCLES or max(values) > 1:
        return None
    n, y = np.asarray(images, float), np.asarray(values, float)
    fits = []
    for c in _EXPONENTS:
        x = (n / n[0]) ** -c  # of order 1, whatever the size of the pool
        for a, b in _candidates(x, y):
            error = float(np.mean((a - b * x - y) ** 2))
            fits.append((error, a, b * float(n[0]) ** c, c))
    error, a, b, c = min(fits, key=lambda fit: fit[0])
    return LearningCurve(a, b, c, len(y), math.sqrt(error))


def _candidates(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    """Every (a, b) within bounds that can minimise ``(a - b * x - y)**2``: x and y are (N,)."""
    flat = (min(float(y.mean()), 1.0), 0.0)
    capped = (1.0, max(0.0, float(x @ (1 - y) / (x @ x))))
    centred = x - x.mean()
    b = -float(centred @ y / (centred @ centred))
    a = float(y.mean() + b * x.mean())
    return [flat, capped] + ([(a, b)] if a <= 1 and b >= 0 else [])


@dataclass(frozen=True)
class Advice:
    """Labels paid for so far, and what the next ones may bring.

    Args:
        metric: such as ``'pascal_voc/mAP'``.
        images: labelled so far.
        objects: labelled so far; boxes of a detector, as many as images of a classifier.
        budget: images of a batch.
        min_gain: gain of the metric for which a batch is worth its price.
        next_images: Images that can be labelled next, at most ``budget``.
        next_objects: expected in them, at the rate of the last batch.
        expected_gain: gain of the metric expected from the next images.
        last_gain: gain of the metric from the last batch.
        recent_gain: gain of the metric from the last two batches, for every ``budget`` images.
        stop: whether the rule in :meth:`text` says so.
        curve: the fitted one.
    """

    metric: str
    images: int
    objects: int
    budget: int
    min_gain: float
    next_images: int
    next_objects: int
    expected_gain: float
    last_gain: float
    recent_gain: float
    stop: bool
    curve: LearningCurve

    @property
    def objects_per_image(self) -> float:
        """Mean of all labelled images."""
        return self.objects / self.images

    def text(self) -> str:
        """Lines for the console; the last says how sure the others are."""
        lines = [self._labels(), self._expectation()]
        if self.stop and self.curve.b > 0:  # without a curve the sentence above says it all
            lines.append(
                f"Hint: stop here. Rule: the curve expects less than {self.min_gain:.4g} from "
                f"{_count(self.budget, 'more image')}, and the last two batches gained less "
                f"than that for every {_count(self.budget, 'image')}."
            )
        return "\n".join([*lines, self._caution()])

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with the text."""
        return asdict(self) | dict(objects_per_image=self.objects_per_image, text=self.text())

    def _labels(self) -> str:
        text = f"Labels so far: {_count(self.images, 'image')}"
        if self.objects == self.images:  # nothing but one label an image to pay for
            return f"{text}."
        return f"{text}, {_count(self.objects, 'object')} ({self.objects_per_image:.1f} an image)."

    def _expectation(self) -> str:
        if not self.next_images:
            return "No image is left to label."
        name, cycles = self.metric.rsplit("/", 1)[-1], self.curve.cycles
        more = f"the next {_count(self.next_images, 'image')}"
        if self.objects != self.images:
            more += f" (about {_count(self.next_objects, 'object')})"
        if self.curve.b == 0:
            return (
                f"In {cycles} cycles {name} did not rise with the labels: either the model can do "
                f"no more, or its training is at fault. Look at it before you pay for {more}."
            )
        return (
            f"The curve {self.curve} through {cycles} cycles expects {self.expected_gain:+.3f} "
            f"{name} from {more}; the last batch gave {self.last_gain:+.3f}."
        )

    def _caution(self) -> str:
        cycles, residual = self.curve.cycles, self.curve.residual
        if cycles == MIN_CYCLES:
            return "Only a guess: three cycles are just enough to draw a curve, none checks it."
        return (
            f"Only a guess: the results of {cycles} cycles lie {residual:.3f} off the curve (root "
            "mean square), and what lies ahead of them is less sure."
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def advise(
    rows: Sequence[CycleResult],
    metric: str,
    budget: int,
    min_gain: float,
    most: int | None = None,
) -> Advice | None:
    """Advice after the last cycle.

    The rule says stop when the fitted curve expects less than ``min_gain`` from ``budget`` more
    images, and the last two batches together gained less than that for every ``budget`` images:
    neither one bad result nor one bad fit is enough. 0 never says stop.

    Args:
        rows: results of the cycles.
        metric: key of the evaluation, in the range 0 to 1.
        budget: images of a batch, at least 1.
        min_gain: gain of the metric for which a batch is worth its price.
        most: images that can be labelled in all, such as the size of the pool; None for no bound.

    Returns:
        None without a curve, see :func:`fit_curve`.

    Raises:
        ValueError: if ``budget`` is less than 1.
    """
    if budget < 1:
        raise ValueError(f"budget is {budget}; use 1 or more")
    found = [(row, row.mean(metric)) for row in rows]
    points = {row.labeled_images: (row, value) for row, value in found if value is not None}
    n = list(points)
    values = [value for _, value in points.values()]
    curve = fit_curve(n, values)
    if curve is None:
        return None
    images, objects = rows[-1].labeled_images, rows[-1].labeled_objects
    next_images = budget if most is None else max(0, min(budget, most - images))
    acquired = objects - points[n[-2]][0].labeled_objects
    recent_gain = (values[-1] - values[-3]) / (n[-1] - n[-3]) * budget
    is_slow = max(curve(images + budget) - curve(images), recent_gain) < min_gain
    return Advice(
        metric=metric,
        images=images,
        objects=objects,
        budget=budget,
        min_gain=min_gain,
        next_images=next_images,
        next_objects=round(next_images * acquired / (images - n[-2])),
        expected_gain=curve(images + next_images) - curve(images),
        last_gain=values[-1] - values[-2],
        recent_gain=recent_gain,
        stop=next_images > 0 and is_slow,
        curve=curve,
    )
