"""What a detector got wrong on labelled images: missed, invented, of the wrong class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ads_det.report.pictures import Mark, draw_marks

# colour of each kind and what is written at it, the first on top
_STYLES = dict(
    missed=("red", "missed"),
    confused=("magenta", "wrong:"),
    invented=("orange", "invented"),
    found=("limegreen", ""),
)


@dataclass(frozen=True)
class Judgement:
    """Boxes of an image, each as ``(corners, text)``: corners are x1, y1, x2, y2 in pixels.

    Args:
        found: right predictions.
        missed: objects without a prediction.
        invented: predictions without an object.
        confused: predictions of an object as another class.
    """

    found: list[tuple[Any, str]]
    missed: list[tuple[Any, str]]
    invented: list[tuple[Any, str]]
    confused: list[tuple[Any, str]]

    @property
    def errors(self) -> int:
        return len(self.missed) + len(self.invented) + len(self.confused)

    def __str__(self) -> str:
        return (
            f"{len(self.missed)} missed, {len(self.invented)} invented, "
            f"{len(self.confused)} wrong class"
        )


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (N, 4) and (M, 4): shape (N, M)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9)


def judge(
    boxes: np.ndarray,
    labels: Sequence[int],
    scores: Sequence[float],
    objects: np.ndarray,
    truth: Sequence[int],
    classes: Sequence[str],
    iou: float = 0.5,
) -> Judgement:
    """Match predictions, the surest first, to the free object that they overlap most.

    Objects of their own class come first; what is left may be an object of another class.

    Args:
        boxes: predicted, shape (N, 4).
        labels: their classes.
        scores: their scores.
        objects: annotated, shape (M, 4).
        truth: their classes.
        classes: names.
        iou: least overlap of a match.
    """
    result = Judgement([], [], [], [])
    near, free = overlaps(boxes, objects), set(range(len(objects)))
    left = []
    for same_class in (True, False):
        order = np.argsort(-np.asarray(scores), kind="stable") if same_class else left
        for i in order:
            may = [
                j for j in free if near[i, j] >= iou and (truth[j] == labels[i] or not same_class)
            ]
            text = f"{classes[labels[i]]} {scores[i]:.2f}"
            if may:
                best = max(may, key=lambda j: near[i, j])
                free.remove(best)
                name = classes[truth[best]]
                into = result.found if same_class else result.confused
                into.append((boxes[i], text if same_class else f"{text}, is {name}"))
            elif same_class:
                left.append(i)
            else:
                result.invented.append((boxes[i], text))
    result.missed.extend((objects[j], classes[truth[j]]) for j in sorted(free))
    return result


def failure_picture(image: Image.Image, judgement: Judgement, side: int = 560) -> Image.Image:
    """An image with the boxes that were found, missed, invented and of the wrong class.

    Args:
        image: upright.
        judgement: Judgement of the image.
        side: pixels of the longer side of the result.
    """
    marks = [
        Mark(tuple(map(float, corners)), f"{word} {text}" if word else "", colour)
        for kind, (colour, word) in _STYLES.items()
        for corners, text in getattr(judgement, kind)
    ]
    return draw_marks(image, marks, side)
