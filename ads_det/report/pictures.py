"""Photographs with boxes, drawn so that boxes and letters can be read at the size shown."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.font_manager import findfont
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ads_det.labels.boxes import Box

_PALETTE = [tuple(int(255 * c) for c in colour) for colour in mpl.colormaps["tab10"].colors]
_ENLARGED = 6  # times at most: of a tiny image only pixels would be seen


@dataclass(frozen=True)
class Mark:
    """A box on a picture.

    Args:
        corners: x1, y1, x2, y2 in pixels.
        text: at its upper left corner, with the colour behind it; empty for none.
        colour: name or RGB.
    """

    corners: Sequence[float]
    text: str
    colour: str | tuple[int, int, int]


def box_marks(boxes: Sequence[Box], classes: Sequence[str]) -> list[Mark]:
    """Boxes with class and score, a colour for each class."""
    marks = []
    for box in boxes:
        text = box.name if box.score is None else f"{box.name} {box.score:.2f}"
        known = classes.index(box.name) if box.name in classes else len(classes)
        marks.append(Mark(box.corners, text, _PALETTE[known % len(_PALETTE)]))
    return marks


def draw_marks(image: Image.Image, marks: Sequence[Mark], side: int | None = None) -> Image.Image:
    """A copy of an image with marks; the first mark lies on top.

    Args:
        image: upright.
        marks: Marks in pixels of ``image``.
        side: pixels of the longer side of the result; None for that of the image.
    """
    scale = min(side / max(image.size), _ENLARGED) if side else 1.0
    size = [max(round(length * scale), 1) for length in image.size]
    picture = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    canvas, longer = ImageDraw.Draw(picture), max(picture.size)
    font, line = _font(max(longer // 24, 11)), max(longer // 160, 1)
    for mark in reversed(marks):
        corners = [c * scale for c in mark.corners]
        canvas.rectangle(corners, outline=mark.colour, width=line)
        if mark.text:
            _label(canvas, mark, corners, font, picture.width)
    return picture


def _label(
    canvas: ImageDraw.ImageDraw,
    mark: Mark,
    corners: Sequence[float],
    font: ImageFont.FreeTypeFont,
    width: int,
) -> None:
    """Letters above the box, or in it where there is no room."""
    _, _, right, bottom = canvas.textbbox((0, 0), mark.text, font)
    x = max(min(corners[0], width - right - 4), 0)
    y = corners[1] - bottom - 3
    y = corners[1] if y < 0 else y
    colour = ImageColor.getrgb(mark.colour) if isinstance(mark.colour, str) else mark.colour
    canvas.rectangle((x, y, x + right + 3, y + bottom + 2), fill=colour)
    bright = sum(c * w for c, w in zip(colour, (0.3, 0.6, 0.1))) > 140
    canvas.text((x + 2, y), mark.text, fill="black" if bright else "white", font=font)


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Of matplotlib, which brings one with letters of most languages."""
    return ImageFont.truetype(findfont("DejaVu Sans"), size)
