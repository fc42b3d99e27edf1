"""What is known of an image: its boxes, or that somebody looked and found none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

_FEW = 4  # boxes that may all reach beyond their images
_FAR = 1e6  # pixels, which no image has; numbers beyond it are no edges
_LEAST = 1 - 1e-3  # pixels; what is written in parts of an image may lose a little


def is_usable(box: Sequence[float], size: tuple[int, int]) -> bool:
    """Whether a box (x1, y1, x2, y2) has area, of which at least a pixel's width and height lies
    in an image of this width and height; log(0) in a box coder would turn the loss into NaN."""
    (x1, y1, x2, y2), (width, height) = box, size
    across, down = min(x2, width) - max(x1, 0), min(y2, height) - max(y1, 0)
    return min(across, down) >= _LEAST and max(map(abs, box)) < _FAR


def mostly_beyond(number: int, of: int) -> bool:
    """Whether so many of the boxes of a file reach beyond their images that none can be believed:
    four or more, and over half."""
    return number >= _FEW and 2 * number > of


def reaches_beyond(box: Sequence[float], size: tuple[int, int]) -> bool:
    """Whether a box (x1, y1, x2, y2) reaches further out of the image than carelessness explains:
    more than two pixels and a tenth of its width or height."""
    (x1, y1, x2, y2), (width, height) = box, size
    across, down = max(-x1, x2 - width), max(-y1, y2 - height)
    return across > max(2, width / 10) or down > max(2, height / 10)


@dataclass(frozen=True)
class Box:
    """An object.

    Args:
        name: name of its class.
        x1, y1, x2, y2: left, upper, right and lower edge in pixels of the upright image (as a
            viewer shows it that obeys the orientation tag), counted from the upper left corner
            of the first pixel, which is 0.
        score: score of the model that proposes the box; None if a person drew it.
    """

    name: str
    x1: float
    y1: float
    x2: float
    y2: float
    score: float | None = None

    @property
    def corners(self) -> tuple[float, float, float, float]:
        return self.x1, self.y1, self.x2, self.y2


@dataclass(frozen=True)
class ImageLabels:
    """An image with its boxes.

    Args:
        image: its id: the path relative to the folder of images, with ``/``.
        width, height: of the upright image, in pixels; 0 where a file does not say.
        boxes: boxes of all objects.
        checked: whether somebody has looked at the image; None where a file cannot say, as for
            an image without boxes in COCO.
    """

    image: str
    width: int
    height: int
    boxes: tuple[Box, ...] = ()
    checked: bool | None = True

    def named(self, image: str) -> ImageLabels:
        """The same with another id."""
        return replace(self, image=image)

    def usable(self) -> ImageLabels:
        """The same with the boxes that a training can use."""
        size = (self.width, self.height)
        return replace(self, boxes=tuple(b for b in self.boxes if is_usable(b.corners, size)))

    def without_scores(self) -> ImageLabels:
        """The same as if a person had drawn the boxes."""
        return replace(self, boxes=tuple(replace(box, score=None) for box in self.boxes))


def same_boxes(first: ImageLabels, second: ImageLabels) -> bool:
    """Whether the boxes are the same but for rounding to whole pixels, in whatever order."""
    return len(first.boxes) == len(second.boxes) and all(
        any(
            a.name == b.name and all(abs(x - y) <= 0.51 for x, y in zip(a.corners, b.corners))
            for b in second.boxes
        )
        for a in first.boxes
    )
