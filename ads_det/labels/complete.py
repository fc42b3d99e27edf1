"""Whether the labels of an image can be meant."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace

from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.sizes import upright_size

_TOLERANCE = 1.0  # pixels that rounding may put a box outside the image


def complete(
    image: ImageLabels, path: str | os.PathLike[str], classes: Collection[str]
) -> tuple[ImageLabels, str | None]:
    """Fill in the true size, cut boxes at the border, and look for what cannot be right.

    Args:
        image: Image as an annotation file describes it.
        path: path of the image file.
        classes: classes of the project.

    Returns:
        The image, and the first problem in words (the image is then as it was) or None.
    """
    width, height = upright_size(path)
    if not width:
        return image, (
            f"{image.image!r} cannot be read; restore it, or delete it from the file and go on "
            "without it (--partial continue)"
        )
    stated = (image.width, image.height)
    if stated == (height, width) and width != height:
        return image, (
            f"{image.image!r} is {width}x{height} as viewers show it, but its boxes are for "
            f"{height}x{width}: the annotation tool ignored the orientation tag of the file; "
            "label the upright copy in to_label/images"
        )
    if stated not in ((0, 0), (width, height)):
        return image, (
            f"{image.image!r} has {width}x{height} pixels, but its boxes are for "
            f"{stated[0]}x{stated[1]}; export with the original image"
        )
    for box in image.boxes:
        problem = _problem(box, width, height, classes)
        if problem:
            return image, f"{image.image!r} has {problem}"
    boxes = tuple(_cut(box, width, height) for box in image.boxes)
    return replace(image, width=width, height=height, boxes=boxes), None


def _cut(box: Box, width: int, height: int) -> Box:
    x1, y1, x2, y2 = box.corners
    return replace(box, x1=max(x1, 0), y1=max(y1, 0), x2=min(x2, width), y2=min(y2, height))


def _problem(box: Box, width: int, height: int, classes: Collection[str]) -> str | None:
    corners = "({:g}, {:g}, {:g}, {:g})".format(*box.corners)
    if box.name not in classes:
        return f"a box of the class {box.name!r}, which is none of {', '.join(classes)}; rename it"
    if box.score is not None:
        return (
            f"a box {corners} with a `score`, so nobody has checked the model's proposal; give "
            "what your annotation tool exported, or pass --proposals accept"
        )
    outside = min(box.x1, box.y1) < -_TOLERANCE
    if outside or box.x2 > width + _TOLERANCE or box.y2 > height + _TOLERANCE:
        return f"a box {corners} outside the image of {width}x{height}; correct it"
    inside = _cut(box, width, height)
    if inside.x1 >= inside.x2 or inside.y1 >= inside.y2:
        return f"a box {corners} without area; delete or correct it"
    return None
