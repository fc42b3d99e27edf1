"""What the readers and writers of all formats check, and what they share."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ads_det.errors import ADSError
from ads_det.files import first_twice, parse_json, read_bytes
from ads_det.labels.boxes import Box, ImageLabels

_UNPRINTED = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of one, ends of lines


def load_json(path: Path) -> Any:
    """The content of an annotation file.

    Raises:
        ADSError: if it cannot be read, is no JSON, or gives a key of an object twice.
    """
    try:
        return parse_json(read_bytes(path).decode("utf-8-sig"))
    except OSError as error:
        raise ADSError(cannot_read(path, error)) from error
    except (ValueError, RecursionError) as error:
        raise ADSError(f"{path} is no valid JSON ({error}); export it again.") from error


def cannot_read(path: Path, error: OSError) -> str:
    """The sentence for a file or folder that the disk does not give."""
    return f"{path} cannot be read ({error.strerror}); check the path and its permissions."


def finite(value: object) -> float:
    """A number, or the text of one, as a float.

    Raises:
        ValueError: if it is something else, or infinite or NaN.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number or (isinstance(value, str) and "_" not in value):
        try:
            number = float(value)  # type: ignore[arg-type]
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise ValueError(f"{shown(value)} is no finite number")


def shown(value: object) -> str:
    """A value as a message shows it, in a line that can be read."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # numbers of thousands of digits
        return "it"
    return text if len(text) < 50 else "it"


def read_size(value: object, where: str) -> int:
    """A width or height in pixels; 0 if ``value`` is None or empty.

    Raises:
        ADSError: if it is no whole number from 0 on; starts with ``where``.
    """
    if value is None or value == "":
        return 0
    try:
        number = finite(value)
    except ValueError:
        number = -1.0
    if number < 0 or number != int(number):
        raise ADSError(
            f"{where} gives {shown(value)} as a width or height; write a whole number of pixels."
        )
    return int(number)


def read_box(where: str, name: object, corners: Iterable[object], score: object = None) -> Box:
    """A box from the four edges, in pixels, that a file names.

    Raises:
        ADSError: if something of it is not as it should be; starts with ``where``.
    """
    corners = tuple(corners)
    if not isinstance(name, str) or not name.strip():
        raise ADSError(f"{where} has a box {corners} without the name of a class; give it one.")
    if not name.isprintable() and any(unicodedata.category(c) in _UNPRINTED for c in name):
        raise ADSError(
            f"{where} has a box of class {name!r}, a name with characters that cannot be printed; "
            "rename it."
        )
    try:
        x1, y1, x2, y2 = map(finite, corners)
        certainty = None if score is None else finite(score)
    except ValueError as error:
        raise ADSError(
            f"{where} has a box of class {name!r} that is not made of finite numbers "
            f"({error}); correct it."
        ) from error
    if x2 < x1 or y2 < y1:
        raise ADSError(
            f"{where} has a box {(x1, y1, x2, y2)} of class {name!r} whose right or lower edge "
            "lies before the opposite one; correct it."
        )
    return Box(name, x1, y1, x2, y2, certainty)


def once_each(images: list[ImageLabels], path: Path) -> list[ImageLabels]:
    """The images; those that a file describes twice in the same way once.

    Raises:
        ADSError: if it describes one in two ways.
    """
    images = list(dict.fromkeys(images))
    twice = first_twice([labels.image for labels in images])
    if twice is not None:
        raise ADSError(f"{path} describes the image {twice!r} in two ways; keep one of them.")
    return images


def check_writable(images: Sequence[ImageLabels], classes: Sequence[str]) -> None:
    """Check what a format is to hold.

    Raises:
        ADSError: if an image or class occurs twice, or a box is of a class not in ``classes``.
    """
    for what, names in ("image", [labels.image for labels in images]), ("class", classes):
        twice = first_twice(names)
        if twice is not None:
            raise ADSError(f"The {what} {twice!r} is to be written twice; name it once.")
    known = set(classes)
    for labels in images:
        for box in labels.boxes:
            if box.name not in known:
                raise ADSError(
                    f"The image {labels.image!r} has a box of class {box.name!r}, which is not "
                    f"among the classes {', '.join(map(repr, classes))}; add the class or take "
                    "the box away."
                )


def files_below(folder: Path, suffix: str) -> list[Path]:
    """Paths of a folder's files with a suffix such as ``.xml``, from all levels, sorted.

    Hidden files and what macOS adds to archives are left out.

    Raises:
        ADSError: if the folder cannot be read.
    """
    try:
        next(folder.iterdir(), None)  # rglob says nothing of a folder that it cannot open
    except OSError as error:
        raise ADSError(cannot_read(folder, error)) from error
    found = (p for p in folder.rglob("*") if p.suffix.lower() == suffix and not p.is_dir())
    return sorted(path for path in found if not is_litter(path.relative_to(folder).parts))


def is_litter(parts: Iterable[str]) -> bool:
    """Whether the file of a path is hidden or of the kind that macOS adds to archives."""
    return any((part[:1] == "." and part != "..") or part == "__MACOSX" for part in parts)


def is_rotated(degrees: object) -> bool:
    """Whether a file turns something by this: by no number, or by one that is no whole turn."""
    try:
        return bool(degrees) and finite(degrees) % 360 != 0
    except ValueError:
        return True


def say(message: str) -> None:
    """:func:`ads_det.console.say`."""
    from ads_det.console import say  # imports PyTorch, which readers do without

    say(message)
