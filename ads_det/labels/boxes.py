"""What is known of an image: its boxes, or that somebody looked and found none."""

from __future__ import annotations

from dataclasses import dataclass, replace


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

    def without_scores(self) -> ImageLabels:
        """The same as if a person had drawn the boxes."""
        return replace(self, boxes=tuple(replace(box, score=None) for box in self.boxes))
