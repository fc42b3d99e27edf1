"""Pictures of the images that a cycle chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import IO

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from ads_det.labels.boxes import ImageLabels

COLUMNS = 8
THUMBNAIL = 160  # pixels of the longer side


def plot_picks(
    picks: Sequence[str],
    open_image: Callable[[str], Image.Image],
    scores: Mapping[str, float],
    file: IO[bytes],
    most: int = 32,
    boxes: Mapping[str, ImageLabels] | None = None,
    reasons: Sequence[str] = (),
) -> None:
    """Draw the first picks with rank and score as a PNG.

    Args:
        picks: ids, best first.
        open_image: the image of an id, RGB; one that raises OSError is drawn black.
        scores: score of each id.
        file: open for binary writing.
        most: how many to draw.
        boxes: what the model proposes in some of the images.
        reasons: whose turn each was, where the order is not that of the scores.
    """
    shown = picks[:most]
    rows = -(-len(shown) // COLUMNS)
    height = 1.65 * rows + 0.3
    figure = Figure(figsize=(1.4 * COLUMNS, height))
    # fixed: matplotlib takes as long to find margins as to draw
    figure.subplots_adjust(0.005, 0.01, 0.995, 1 - 0.5 / height, wspace=0.05, hspace=0.15)
    order = "classes in turn: rank, class," if reasons else "best first: rank"
    figure.suptitle(f"{len(shown)} of {len(picks)} picks, {order} and score", fontsize=9)
    grid = figure.subplots(rows, COLUMNS, squeeze=False).flat
    titles = distinct([scores[name] for name in shown])
    for rank, (axes, name, title) in enumerate(zip(grid, shown, titles), start=1):
        try:
            thumbnail = open_image(name)
        except OSError:  # a training may well read what Pillow refuses
            thumbnail = Image.new("RGB", (THUMBNAIL, THUMBNAIL))
        scale = thumbnail.width
        thumbnail.thumbnail((THUMBNAIL, THUMBNAIL))
        axes.imshow(thumbnail)
        reason = f" {reasons[rank - 1][:12]}" if reasons else ""
        axes.set_title(f"{rank}{reason}: {title}", fontsize=8, pad=2)
        for box in boxes[name].boxes if boxes and name in boxes else ():
            x1, y1, x2, y2 = (c * thumbnail.width / scale for c in box.corners)
            axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec="yellow", lw=0.8))
    for axes in figure.axes:
        axes.set_axis_off()
    figure.savefig(file, format="png", dpi=110)


def distinct(values: Sequence[float], least: int = 3, most: int = 8) -> list[str]:
    """Numbers as texts of so many digits, from 3 to 8, that different ones look different."""
    texts: list[str] = []
    for digits in range(least, most + 1):
        texts = [f"{value:.{digits}g}" for value in values]
        if len(set(texts)) == len(set(values)):
            break
    return texts
