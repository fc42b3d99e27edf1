"""How large objects are at the input of a detector, and which input suits them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ads_det.labels.boxes import ImageLabels

INPUT_SIZES = (128, 192, 256, 320, 384, 512)  # sides of the small SSD's square input
SMALL = 10.0  # pixels at the input: below it a detector with stride 8 finds little
COMFORTABLE = 20.0  # pixels that half of the objects should have
MANY = 0.2  # share of small objects from which a sentence is due


def relative_sizes(labels: Iterable[ImageLabels]) -> np.ndarray:
    """Root of each object's share of its image's area, from 0 to 1, shape (number of boxes,):
    times the side of a square input it is the object's size in pixels there."""
    shares = [
        (box.x2 - box.x1) * (box.y2 - box.y1) / (image.width * image.height)
        for image in labels
        if image.width > 0 and image.height > 0
        for box in image.boxes
    ]
    return np.sqrt(np.clip(np.asarray(shares, dtype=float), 0, 1))


def share_small(sizes: np.ndarray) -> float:
    """Share of objects under :data:`SMALL` pixels; 0 without any.

    Args:
        sizes: Sizes of objects at the input, pixels.
    """
    return float((sizes < SMALL).mean()) if len(sizes) else 0.0


def choose_input_size(relative: np.ndarray, image_side: float) -> int:
    """The least of :data:`INPUT_SIZES` at which half of the objects have :data:`COMFORTABLE`
    pixels and few are small; no more than the images have pixels, since enlarging adds nothing.

    Args:
        relative: Result of :func:`relative_sizes`; without any object the first size is returned.
        image_side: root of the area of a typical image, pixels.
    """
    usable = [size for size in INPUT_SIZES if size <= image_side] or [INPUT_SIZES[0]]
    for size in usable:
        at_input = relative * size
        if not len(relative) or (
            np.median(at_input) >= COMFORTABLE and share_small(at_input) < MANY / 2
        ):
            return size
    return usable[-1]


def choose_anchor_sizes(sizes: np.ndarray, input_size: int, levels: int) -> list[int]:
    """Borders between the sizes of anchors of an SSD's levels, from small to large, in geometric
    steps from the smaller objects (a tenth is smaller still) to the largest.

    Args:
        sizes: Sizes of objects at the input, pixels; at least one.
        input_size: side of the square input, pixels.
        levels: number of feature maps.

    Returns:
        ``levels + 1`` whole numbers that rise.
    """
    low = float(np.clip(np.quantile(sizes, 0.1), 8, 0.1 * input_size))
    high = float(np.clip(1.2 * sizes.max(), 0.4 * input_size, 0.9 * input_size))
    return [round(size) for size in np.geomspace(low, high, levels + 1)]


def small_objects_sentence(sizes: np.ndarray, where: str, remedy: str) -> str:
    """One sentence if many objects are small at the input, else nothing.

    Args:
        sizes: Sizes of objects at the input, pixels.
        where: such as 'the input of 128 x 128'.
        remedy: what to do, ends the sentence.
    """
    if share_small(sizes) < MANY:
        return ""
    return (
        f"{share_small(sizes):.0%} of the {len(sizes)} labelled objects measure less than "
        f"{SMALL:.0f} pixels at {where} (the median {np.median(sizes):.0f}), which few detectors "
        f"find; {remedy}."
    )


def typical_side(sizes: Sequence[tuple[int, int]]) -> float:
    """Median over images of the root of width times height, pixels."""
    return float(np.median([np.sqrt(width * height) for width, height in sizes]))
