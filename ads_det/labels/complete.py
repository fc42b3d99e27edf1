"""Whether the labels of an image can be meant."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace

from ads_det.labels.boxes import Box, ImageLabels, is_usable, mostly_beyond, reaches_beyond
from ads_det.labels.sizes import is_swapped, is_turned, upright_size

_TOLERANCE = 1.0  # pixels that rounding may put a box outside the image
_CORNER = 0.01  # of width and height, in which not all boxes of a file can lie


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
        why = (
            "its labels swap the two, or it was turned since; correct the size in the labels, or "
            "label it again"
            if is_swapped(path, stated, (width, height))
            else "the annotation tool ignored the orientation tag of the file; label an upright "
            "copy, such as a batch has in to_label/images"
        )
        return image, (
            f"{image.image!r} is {width}x{height} as viewers show it, but its boxes are for "
            f"{height}x{width}: {why}"
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


def ignored_tag(stated: tuple[int, int], path: str | os.PathLike[str]) -> bool:
    """Whether the size that a tool states of an image shows that it passed over the tag that turns
    it, and so over all such tags.

    Args:
        stated: width and height.
        path: Path of the image.
    """
    return is_turned(path) and stated == upright_size(path)[::-1] and stated[0] != stated[1]


def scale_problem(images: Sequence[ImageLabels]) -> str | None:
    """What is wrong, in words, if most boxes of a file reach far beyond their images, or all of two
    or more lie where numbers put them that are parts of the image but are read as pixels or per
    cents; else None.

    Args:
        images: content of the file; those whose size is not known are passed over.
    """
    boxes = [(box, image) for image in images if image.width for box in image.boxes]
    beyond = sum(reaches_beyond(box.corners, (i.width, i.height)) for box, i in boxes)
    if mostly_beyond(beyond, len(boxes)):
        return (
            f"{beyond} of {len(boxes)} boxes reach far beyond their images, so they are of larger "
            "images, or give two corners where the format wants width and height; export them again"
        )
    inside = all(
        box.x2 <= _CORNER * image.width and box.y2 <= _CORNER * image.height for box, image in boxes
    )
    if len(boxes) < 2 or not inside:
        return None
    return (
        f"all {len(boxes)} boxes lie in the upper left hundredth of the width and height of their "
        "images, so their numbers are parts of the image, where the format has pixels or per "
        "cents; export them again in these"
    )


def _cut(box: Box, width: int, height: int) -> Box:
    x1, y1, x2, y2 = box.corners
    return replace(box, x1=max(x1, 0), y1=max(y1, 0), x2=min(x2, width), y2=min(y2, height))


def _problem(box: Box, width: int, height: int, classes: Collection[str]) -> str | None:
    corners = "({:g}, {:g}, {:g}, {:g})".format(*box.corners)
    if box.name not in classes:
        named = ", ".join(map(repr, classes))
        return f"a box of the class {box.name!r}, which is none of {named}; rename it"
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
    if not is_usable(box.corners, (width, height)):
        return (
            f"a box {corners} less than a pixel wide or high, perhaps a stray click or in parts "
            "of the image instead of pixels; delete or correct it"
        )
    return None
