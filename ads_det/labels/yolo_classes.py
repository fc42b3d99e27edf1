"""What the numbers of YOLO's classes mean: the lists of classes that tools write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from ads_det.errors import ADSError
from ads_det.files import first_twice, read_bytes
from ads_det.labels.checks import cannot_read, files_below, say
from ads_det.plain_yaml import TextLoader

# labelImg, CVAT and Darknet, Label Studio, Roboflow
_CLASS_FILES = ("classes.txt", "obj.names", "labels.txt", "_darknet.labels")
_CONFIG_FILES = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
_LIST_SUFFIXES, _CONFIG_SUFFIXES = (".txt", ".names", ".labels"), (".yaml", ".yml")
_CLASS = re.compile(r"[^\s./\\]+|\d+\.0*")
_NUMBER = re.compile(r"[-+]?([\d.,]+(e[-+]?\d+)?|nan|inf)", re.IGNORECASE)


def is_class_file(file: Path) -> bool:
    """Whether a file has the name of a list of classes, one a line."""
    return file.name.lower() in _CLASS_FILES


def read_classes(folder: Path, classes: Sequence[str], levels: int) -> list[str]:
    """The classes that a file of the folder lists, or one of the nearest folder above.

    That is a file with one of the usual names. Where the folder has none, it may be another in it:
    a YAML file with ``names`` or a ``.names`` that has all given classes, or a text file whose
    lines are these in some order.

    Args:
        folder: Folder of the label files.
        classes: classes that the user has named.
        levels: how many folders above may have the file.

    Returns:
        Names in the order of their numbers; empty without such a file.

    Raises:
        ADSError: if a list is not as it should be, or two differ.
    """
    suffixes = (*_LIST_SUFFIXES, *_CONFIG_SUFFIXES)
    files = [file for suffix in suffixes for file in files_below(folder, suffix)]
    others = (file for file in files if not _is_usual(file) and _may_list(file, classes))
    if names := _listed(filter(_is_usual, files), classes) or _listed(others, classes):
        return names
    for above in folder.resolve().parents[:levels]:
        if names := _listed(filter(_is_usual, sorted(above.glob("*.*"))), classes):
            say(f"{folder} has no list of classes; the one in {above} was taken.")
            return names
    return []


def _is_usual(file: Path) -> bool:
    return is_class_file(file) or file.name.lower() in _CONFIG_FILES


def _listed(files: Iterable[Path], classes: Sequence[str]) -> list[str]:
    lists = {
        file: _names_of_config(file)
        if file.suffix.lower() in _CONFIG_SUFFIXES
        else _names(file, classes)
        for file in files
    }
    if len(set(map(tuple, lists.values()))) > 1:
        first, second = list(lists)[:2]
        raise ADSError(f"{first} and {second} list different classes; keep one of the files.")
    return next(iter(lists.values()), [])


def _may_list(file: Path, classes: Sequence[str]) -> bool:
    """Whether a file of any name lists classes, by its content."""
    try:
        lines = read_lines(file)
        if file.suffix.lower() in _CONFIG_SUFFIXES:
            content = yaml.load("\n".join(lines), TextLoader)
            names = content.get("names") if isinstance(content, dict) else None
            names = list(names.values()) if isinstance(names, dict) else names
            return isinstance(names, list) and set(classes) <= set(map(str, names))
    except (yaml.YAMLError, RecursionError, ADSError):
        return False
    given = [line.strip() for line in lines if line.strip()]
    if file.suffix.lower() == ".names":
        return set(classes) <= set(given)
    return bool(classes) and sorted(given) == sorted(classes)


def _names(file: Path, classes: Sequence[str]) -> list[str]:
    names = "\n".join(map(str.strip, read_lines(file))).strip("\n").split("\n")
    if "" in names[1:] or first_twice(names) is not None:
        raise ADSError(
            f"{file} names a class twice or has an empty line between two, so it is unknown what "
            "the numbers mean; write one class a line in the order of the numbers."
        )
    comment = next((name for name in names if name.startswith("#")), None)
    if comment is not None:
        raise ADSError(
            f"{file} has the line {comment!r}, which would count as a class if it is a comment; "
            "delete it, or name a class of this name in a data.yaml."
        )
    if sorted(names) != sorted(classes) and any(
        all(re.match(rf"{number}[\s:,]+\S", name) for number, name in enumerate(names, start))
        for start in (0, 1)
    ):
        raise ADSError(
            f"{file} has a number before each name, such as {names[0]!r}; write only the names, "
            "one a line in the order of the numbers from 0."
        )
    return names if names != [""] else []


def _names_of_config(file: Path) -> list[str]:
    try:
        content = yaml.load("\n".join(read_lines(file)), TextLoader)
        names = content["names"]
        if isinstance(names, dict):
            names = _in_order(names, file)
        if not isinstance(names, list) or not all(map(_is_name, names)):
            raise TypeError
    except (yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ADSError(
            f"{file} has no list `names` of the classes; complete it, or put a classes.txt in its "
            "place."
        ) from error
    number = content.get("nc", str(len(names)))
    if number != str(len(names)):
        raise ADSError(f"{file} says nc: {number}, but names {len(names)} classes; correct one.")
    return names


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name != ""


def _in_order(names: dict, file: Path) -> list:
    by_number = {int(k) if str(k).isdecimal() else k: name for k, name in names.items()}
    if len(by_number) < len(names) or set(by_number) != set(range(len(names))):
        raise ADSError(
            f"{file} numbers its `names` {', '.join(map(str, names))[:60]}, but YOLO's numbers "
            f"are 0 to {len(names) - 1}; correct the numbers."
        )
    return [by_number[number] for number in range(len(names))]


def read_lines(file: Path) -> list[str]:
    """Lines of a text file.

    Raises:
        ADSError: if it cannot be read or is not UTF-8.
    """
    try:
        return read_bytes(file).decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except OSError as error:
        raise ADSError(cannot_read(file, error)) from error
    except UnicodeDecodeError as error:
        raise ADSError(f"{file} is not UTF-8 text; save it as such.") from error


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
