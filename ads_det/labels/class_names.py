"""Names of classes: which cannot be meant, and which are meant to be the same."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from ads_det.errors import ADSError

_LISTS = (".txt", ".yaml", ".yml", ".names", ".json", ".csv")
_BRACKETS = ("()", "[]", "{}")


def spelling(name: str) -> str:
    """What the names have in common that differ only by case, by blanks around them, or by the
    form of their accents."""
    folded = unicodedata.normalize("NFC", name).strip().casefold()
    return unicodedata.normalize("NFC", folded)


def like(name: str, classes: Iterable[str]) -> str | None:
    """The class that is meant by a name in another spelling, or None."""
    return next((own for own in classes if spelling(own) == spelling(name)), None)


def difference(first: str, second: str) -> str:
    """By what two names differ that :func:`spelling` makes the same."""
    if first.strip() == second.strip():
        return "by a blank"
    if unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second):
        return "by how their accents are stored"
    return "by case" if first.casefold() == second.casefold() else "by case, blanks or accents"


def perhaps(name: str, classes: Sequence[str]) -> str:
    """A name that is none of the classes, for a message, with the one that is perhaps meant."""
    own = like(name, classes)
    if own is not None:
        return f"{name!r} (perhaps {own!r}, which differs {difference(name, own)})"
    lower = {own.lower(): own for own in classes}
    near = difflib.get_close_matches(name.lower(), lower, 1)
    return repr(name) + (f" (perhaps {lower[near[0]]!r})" if near else "")


def check_spelling(where: object, found: Iterable[str], classes: Sequence[str], key: str) -> None:
    """A class in another spelling is meant, and its objects would be passed over.

    Args:
        where: what has the objects, for the message.
        found: names of its classes that are none of ``classes``.
        classes: those that are asked for.
        key: what names them, for the message.

    Raises:
        ADSError: on the first name in another spelling.
    """
    for name in found:
        own = like(name, classes)
        if own is not None:
            raise ADSError(
                f"{where} has objects of the class {name!r}, but {key} names {own!r}, which "
                f"differs {difference(name, own)}; write both in the same way."
            )


def check_typed(classes: Sequence[str]) -> None:
    """Refuse what is typed for names of classes but was hardly meant so.

    Raises:
        ADSError: if names are separated by other than blanks, stand in brackets, or one is a file.
    """
    for name in classes:
        if name.endswith(",") or ";" in name:
            raise ADSError(
                f"--classes has {name!r}; put blanks, not commas or semicolons, between names "
                "(and a name of several words in quotes)."
            )
        if any(name.count(begin) != name.count(end) for begin, end in _BRACKETS):
            raise ADSError(
                f"--classes has {name!r}, a bracket without its other half; give the names "
                "without brackets, with blanks between them."
            )
        is_list = name.lower().endswith(_LISTS)
        if is_list or (Path(name).suffix and Path(name).is_file()):
            raise ADSError(
                f"--classes has {name!r}, which is the name of a file; give the names of the "
                "classes themselves, with blanks between them."
            )
