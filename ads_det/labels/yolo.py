"""YOLO: a folder with one text file an image, a line a box: ``class x y width height``.

The class is a number from 0; the others are the centre and size as parts of the image's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import yaml

from ads_det.errors import ADSError
from ads_det.files import first_twice, read_bytes
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.checks import cannot_read, files_below, finite, once_each, read_box
from ads_det.labels.names import ImageNames
from ads_det.plain_yaml import PlainLoader

_CLASS_FILES = ("classes.txt", "obj.names")
_CONFIG_FILES = ("data.yaml", "dataset.yaml")


class NoClassesError(ADSError):
    """Nothing says what the numbers of the classes mean."""


def read_yolo(
    folder: Path,
    classes: Sequence[str],
    sizes: Callable[[str], tuple[int, int]],
    images: Iterable[str],
) -> list[ImageLabels]:
    """All images that have a text file below a folder.

    An empty file does not say whether somebody looked: some tools write one for every image.

    Boxes are rounded to a thousandth of a pixel. Text files that neither hold such lines nor have
    an image, such as a ``README.txt`` or ``train.txt``, are passed over.

    Args:
        folder: folder of the text files; its ``classes.txt``, ``obj.names`` or ``data.yaml``, if
            there is one, says what the numbers of the classes mean.
        classes: the same where no such file exists.
        sizes: width and height of the upright image in pixels, by its id.
        images: ids of all images; a text file has the name of its image but for the suffix.

    Raises:
        ADSError: if the classes or the size of an image are unknown, a file has labels but no
            image, or a line is not as the format wants it.
    """
    names = _read_classes(folder) or list(classes)
    if not names:
        raise NoClassesError(
            f"{folder} has no classes.txt or data.yaml, so it is unknown what the numbers of its "
            "classes mean; add classes.txt, one class a line in the order of the numbers."
        )
    index = ImageNames(images)
    found = []
    for file in files_below(folder, ".txt"):
        if file.name not in _CLASS_FILES:
            lines = _read_lines(file)
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
    return once_each(found, folder)


def is_yolo(lines: Sequence[str]) -> bool:
    """Whether lines may be those of a label file: all empty, or the first has five numbers."""
    first = next((line for line in lines if line.strip()), "")
    try:
        return len([finite(word) for word in first.split()]) not in range(1, 5)
    except ValueError:
        return False


def is_yolo_folder(folder: Path) -> bool:
    """Whether a folder holds a label file."""
    files = (file for file in files_below(folder, ".txt") if file.name not in _CLASS_FILES)
    return any(is_yolo(_read_lines(file)) for file in files)


def _read_classes(folder: Path) -> list[str]:
    files = [file for n in _CLASS_FILES for file in files_below(folder, Path(n).suffix)]
    lists = {file: _names(file) for file in files if file.name in _CLASS_FILES}
    configs = [file for file in files_below(folder, ".yaml") if file.name in _CONFIG_FILES]
    lists |= {file: _names_of_config(file) for file in configs}
    if len(set(map(tuple, lists.values()))) > 1:
        first, second = list(lists)[:2]
        raise ADSError(f"{first} and {second} list different classes; keep one of the files.")
    return next(iter(lists.values()), [])


def _names(file: Path) -> list[str]:
    names = "\n".join(map(str.strip, _read_lines(file))).strip("\n").split("\n")
    if "" in names[1:] or first_twice(names) is not None:
        raise ADSError(
            f"{file} names a class twice or has an empty line between two, so it is unknown what "
            "the numbers mean; write one class a line in the order of the numbers."
        )
    return names if names != [""] else []


def _names_of_config(file: Path) -> list[str]:
    try:
        content = yaml.load("\n".join(_read_lines(file)), PlainLoader)
        names = content["names"]
        if isinstance(names, dict):
            names = [names[number] for number in range(len(names))]
        if not isinstance(names, list) or not all(type(name) in (str, int) for name in names):
            raise TypeError
    except (yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ADSError(
            f"{file} has no list `names` of the classes; complete it (a name such as no or 1.0 in "
            "quotes), or put a classes.txt in its place."
        ) from error
    number = content.get("nc", len(names))
    if number != len(names):
        raise ADSError(f"{file} says nc: {number!r}, but names {len(names)} classes; correct one.")
    return [str(name) for name in names]


def _read_lines(file: Path) -> list[str]:
    try:
        return read_bytes(file).decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except OSError as error:
        raise ADSError(cannot_read(file, error)) from error
    except UnicodeDecodeError as error:
        raise ADSError(f"{file} is not UTF-8 text; save it as such.") from error


def _read_line(line: str, names: Sequence[str], width: int, height: int, where: str) -> Box:
    words = line.split()
    if len(words) != 5:
        raise ADSError(
            f"{where} has {len(words)} values where a box has five (class x y width height); "
            "polygons, rotated boxes and scores cannot be read: export boxes."
        )
    try:
        number = int(words[0])
        x, y, across, down = map(finite, words[1:])
    except ValueError as error:
        raise ADSError(f"{where} is not made of numbers ({error}); correct it.") from error
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
