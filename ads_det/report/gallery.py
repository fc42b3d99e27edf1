"""Pictures of the images that a cycle chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO

from matplotlib.figure import Figure
from PIL import Image, ImageOps

COLUMNS = 8
THUMBNAIL = 160  # pixels of the longer side


def plot_picks(
    picks: Sequence[str],
    paths: Mapping[str, str],
    scores: Mapping[str, float],
    file: IO[bytes],
    most: int = 32,
) -> None:
    """Draw the first picks with rank and score as a PNG.

    Args:
        picks: ids, best first.
        paths: file of each id.
        scores: score of each id.
        file: open for binary writing.
        most: how many to draw.
    """
    shown = picks[:most]
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(1.4 * COLUMNS, 1.55 * rows + 0.3), layout="constrained")
    figure.suptitle(f"{len(shown)} of {len(picks)} picks, best first: score", fontsize=9)
    for axes, name in zip(figure.subplots(rows, COLUMNS, squeeze=False).flat, shown):
        with Image.open(paths[name]) as image:
            thumbnail = ImageOps.exif_transpose(image).convert("RGB")
        thumbnail.thumbnail((THUMBNAIL, THUMBNAIL))
        axes.imshow(thumbnail)
        axes.set_title(f"{scores[name]:.3g}", fontsize=8, pad=2)
    for axes in figure.axes:
        axes.set_axis_off()
    figure.savefig(file, format="png", dpi=110)
