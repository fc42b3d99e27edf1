"""YOLO: a folder with one text file an image, a line a box: ``class x y width height``.

The class is a number from 0; the others are the centre and size as parts of the image's.
"""

from __future__ import annotations

import re
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
_CONFIG_FILES = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
_CLASS = re.compile(r"[^\s./\\]+|\d+\.0*")
_NUMBER = re.compile(r"[-+]?([\d.,]+(e[-+]?\d+)?|nan|inf)", re.IGNORECASE)


class NoClassesError(ADSError):
    """Nothing says what the numbers of the classes mean."""


def read_yolo(
    folder: Path,
    classes: Sequence[str],
    sizes: Callable[[str], tuple[int, int]],
    images: Iterable[str],
    levels: int = 0,
) -> list[ImageLabels]:
    """All images that have a text file below a folder.

    An empty file does not say whether somebody looked: some tools write one for every image.

    Boxes are rounded to a thousandth of a pixel. Text files that neither hold such lines nor have
    an image, such as a ``README.txt`` or ``train.txt``, are passed over.

    Args:
        folder: folder of the text files; its ``classes.txt``, ``obj.names`` or ``data.yaml``, if
            there is one, says what the numbers of the classes mean.
        classes: the same where no such file exists, which is then said.
        sizes: width and height of the upright image in pixels, by its id.
        images: ids of all images; a text file has the name of its image but for the suffix.
        levels: how many folders above ``folder`` may have that file if ``folder`` has none.

    Raises:
        ADSError: if the classes or the size of an image are unknown, a file has labels but no
            image, or a line is not as the format wants it.
    """
    listed = _read_classes(folder, levels)
    names = listed or list(classes)
    if not names:
        raise NoClassesError(
            f"{folder} has no classes.txt or data.yaml, so it is unknown what the numbers of its "
            "classes mean; add classes.txt, one class a line in the order of the numbers."
        )
    index = ImageNames(images)
    found = []
    for file in files_below(folder, ".txt"):
        if file.name.lower() not in _CLASS_FILES:
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
    if not listed and any(labels.boxes for labels in found):
        numbers = ", ".join(f"{number} {name}" for number, name in enumerate(names))
        _say(f"{folder} has no list of classes; numbers taken from --classes: {numbers}.")
    return once_each(found, folder)


def _say(message: str) -> None:
    from ads_det.console import say  # imports PyTorch, which readers do without

    say(message)


def is_yolo(lines: Sequence[str]) -> bool:
    """Whether lines may be those of a label file, be it with a mistake: all empty, or the first has
    five numbers or more, of which one may be a name."""
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return True
    words = [word.strip(",;") for word in first.split()]
    if len(words) < 5 and (table := re.split("[,;] *", first.strip())) and len(table) == 5:
        words = table
    numbers = all(_NUMBER.fullmatch(word) for word in words[1:5])
    return len(words) >= 5 and numbers and bool(_CLASS.fullmatch(words[0]))


def is_yolo_folder(folder: Path) -> bool:
    """Whether a folder holds a label file."""
    files = (file for file in files_below(folder, ".txt") if file.name.lower() not in _CLASS_FILES)
    return any(is_yolo(_read_lines(file)) for file in files)


def _read_classes(folder: Path, levels: int) -> list[str]:
    """The classes that a file of the folder lists, or one of the nearest folder above."""
    suffixes = (".txt", ".names", ".yaml", ".yml")
    files = [file for suffix in suffixes for file in files_below(folder, suffix)]
    if names := _listed_classes(files):
        return names
    for above in folder.resolve().parents[:levels]:
        if names := _listed_classes(sorted(above.glob("*.*"))):
            _say(f"{folder} has no list of classes; the one in {above} was taken.")
            return names
    return []


def _listed_classes(files: Iterable[Path]) -> list[str]:
    lists = {}
    for file in files:
        if file.name.lower() in _CLASS_FILES:
            lists[file] = _names(file)
        elif file.name.lower() in _CONFIG_FILES:
            lists[file] = _names_of_config(file)
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
    if all(re.match(rf"{number}[\s:,]+\S", name) for number, name in enumerate(names)):
        raise ADSError(
            f"{file} has a number before each name, such as {names[0]!r}; write only the names, "
            "one a line in the order of the numbers from 0."
        )
    return names if names != [""] else []


def _names_of_config(file: Path) -> list[str]:
    try:
        content = yaml.load("\n".join(_read_lines(file)), PlainLoader)
        names = content["names"]
        if isinstance(names, dict):
            names = _in_order(names, file)
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


def _in_order(names: dict, file: Path) -> list:
    by_number = {int(k) if isinstance(k, str) and k.isdecimal() else k: names[k] for k in names}
    if len(by_number) < len(names) or set(by_number) != set(range(len(names))):
        raise ADSError(
            f"{file} numbers its `names` {', '.join(map(repr, names))[:60]}, but YOLO's numbers "
            f"are 0 to {len(names) - 1}; correct the numbers."
        )
    return [by_number[number] for number in range(len(names))]


def _read_lines(file: Path) -> list[str]:
    try:
        return read_bytes(file).decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except OSError as error:
        raise ADSError(cannot_read(file, error)) from error
    except UnicodeDecodeError as error:
        raise ADSError(f"{file} is not UTF-8 text; save it as such.") from error


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
