"""YOLO: a folder with one text file an image, a line a box: ``class x y width height``.

The class is a number from 0; the others are the centre and size as parts of the image's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ads_det.errors import ADSError
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.checks import files_below, finite, once_each, read_box, say
from ads_det.labels.names import ImageNames
from ads_det.labels.yolo_classes import is_class_file, is_yolo, read_classes, read_lines


class NoClassesError(ADSError):
    """Nothing says what the numbers of the classes mean."""


def read_yolo(
    folder: Path,
    classes: Sequence[str],
    sizes: Callable[[str], tuple[int, int]],
    images: Iterable[str],
    levels: int = 0,
    shown: Path | None = None,
) -> list[ImageLabels]:
    """All images that have a text file below a folder.

    An empty file does not say whether somebody looked: some tools write one for every image.

    Boxes are rounded to a thousandth of a pixel. Text files that neither hold such lines nor have
    an image, such as a ``README.txt`` or ``train.txt``, are passed over.

    Args:
        folder: folder of the text files; its list of classes, if there is one, says what their
            numbers mean: see :func:`read_classes`.
        classes: the same where no such file exists, which is then said.
        sizes: width and height of the upright image in pixels, by its id.
        images: ids of all images; a text file has the name of its image but for the suffix.
        levels: how many folders above ``folder`` may have that file if ``folder`` has none.
        shown: what messages call the folder, where it was extracted from an archive.

    Raises:
        ADSError: if the classes or the size of an image are unknown, a file has labels but no
            image, or a line is not as the format wants it.
    """
    listed = read_classes(folder, classes, levels)
    names = listed or list(classes)
    if not names:
        raise NoClassesError(
            f"{folder} has no classes.txt or data.yaml, so it is unknown what the numbers of its "
            "classes mean; add classes.txt, one class a line in the order of the numbers."
        )
    index = ImageNames(images)
    found = []
    for file in files_below(folder, ".txt"):
        if not is_class_file(file):
            lines = read_lines(file)
            image = index.match(file.relative_to(folder).with_suffix("").as_posix())
            if image is not None:
                width, height = sizes(image)
                if not width or not height:
                    raise ADSError(
                        f"The size of the image {image!r} is unknown, and the boxes of {file} are "
                        "parts of it; check that the image can be read."
                    )
                boxes = tuple(
                    _read_line(line, names, width, height, f"{file}: line {number}")
                    for number, line in enumerate(lines, start=1)
                    if line.strip()
                )
                found.append(
                    ImageLabels(image, width, height, boxes, checked=True if boxes else None)
                )
            elif is_yolo(lines):
                raise ADSError(
                    f"{file} belongs to no image that is known; name it as its image, but for the "
                    "suffix, or take it away."
                )
    if not listed and any(labels.boxes for labels in found):
        numbers = ", ".join(f"{number} {name}" for number, name in enumerate(names))
        say(f"{shown or folder} has no list of classes; numbers taken from --classes: {numbers}.")
    return once_each(found, folder)


def is_yolo_folder(folder: Path) -> bool:
    """Whether a folder holds a label file."""
    files = (file for file in files_below(folder, ".txt") if not is_class_file(file))
    return any(is_yolo(read_lines(file)) for file in files)


def _read_line(line: str, names: Sequence[str], width: int, height: int, where: str) -> Box:
    words = line.split()
    joined = len(words) < 5 and any(mark in line for mark in ",;")
    if joined or any(word.endswith((",", ";")) for word in words):
        raise ADSError(
            f"{where} has commas or semicolons between its values; write blanks, as in '0 0.5 0.5 "
            "0.2 0.1'."
        )
    if len(words) != 5:
        raise ADSError(
            f"{where} has {len(words)} values where a box has five (class x y width height); "
            "polygons, rotated boxes and scores cannot be read: export boxes."
        )
    try:
        if not re.fullmatch(r"[-+]?\d+", words[0]):
            raise ValueError(f"{words[0]!r} is no whole number")
        number = int(words[0])
        x, y, across, down = map(finite, words[1:])
    except ValueError as error:
        raise ADSError(
            f"{where} is not made of numbers ({error}); write the number of the class, then centre "
            "and size with a decimal point."
        ) from error
    if not 0 <= number < len(names):
        raise ADSError(
            f"{where} has the class {number}, but there are {len(names)} classes, numbered from 0; "
            "correct it or complete classes.txt."
        )
    if not all(0 <= value <= 1.01 for value in (x, y, across, down)):  # they may be rounded
        raise ADSError(
            f"{where} has a value outside 0 to 1; centre and size are parts of the image's width "
            "and height, not pixels: correct it."
        )
    left, upper = x - across / 2, y - down / 2
    corners = (left * width, upper * height, (left + across) * width, (upper + down) * height)
    return read_box(where, names[number], (round(corner, 3) for corner in corners))
