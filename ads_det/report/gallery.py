"""Pictures of the images that a cycle chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import IO

from matplotlib.figure import Figure
from PIL import Image

COLUMNS = 8
THUMBNAIL = 160  # pixels of the longer side


def plot_picks(
    picks: Sequence[str],
    open_image: Callable[[str], Image.Image],
    scores: Mapping[str, float],
    file: IO[bytes],
    most: int = 32,
) -> None:
    """Draw the first picks with rank and score as a PNG.

    Args:
        picks: ids, best first.
        open_image: the image of an id, RGB; one that raises OSError is drawn black.
        scores: score of each id.
        file: open for binary writing.
        most: how many to draw.
    """
    shown = picks[:most]
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(1.4 * COLUMNS, 1.55 * rows + 0.3), layout="constrained")
    figure.suptitle(f"{len(shown)} of {len(picks)} picks, best first: score", fontsize=9)
    for axes, name in zip(figure.subplots(rows, COLUMNS, squeeze=False).flat, shown):
        try:
            thumbnail = open_image(name)
        except OSError:  # a training may well read what Pillow refuses
            thumbnail = Image.new("RGB", (THUMBNAIL, THUMBNAIL))
        thumbnail.thumbnail((THUMBNAIL, THUMBNAIL))
        axes.imshow(thumbnail)
        axes.set_title(f"{scores[name]:.3g}", fontsize=8, pad=2)
    for axes in figure.axes:
        axes.set_axis_off()
    figure.savefig(file, format="png", dpi=110)
