"""What a class or function says of the kinds of its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ads_det.engine.config_keys import short
from ads_det.errors import ADSError

_SCALARS = {"int": "a whole number", "float": "a number", "bool": "True or False"}
_SCALARS |= {"str": "a text"}
_SWITCHES = frozenset({"yes", "no", "on", "off", "0", "1"})


def is_truth_text(value: Any) -> bool:
    """Whether a value is ``"True"`` or ``"False"``, which count both as true."""
    return isinstance(value, str) and value.lower() in ("true", "false")


def check_declared(
    kind: Callable[..., Any], part: Mapping[str, Any], where: str, strict: bool = False
) -> None:
    """Refuse a text or a dict for what is declared to be a number, a truth value or a list.

    Args:
        kind: a class, or a function.
        part: its arguments.
        where: their key.
        strict: refuse a list, a fraction or None too where a whole number is declared, and what
            is no text where a text is.

    Raises:
        ADSError: names the argument.
    """
    declared = _declared(kind)
    for name, value in part.items():
        word, is_annotated = declared.get(name, (None, False))
        bad = isinstance(value, (str, dict))
        if word == _SCALARS["str"]:
            bad = strict and not isinstance(value, str)
        elif word == _SCALARS["bool"] and not is_annotated:  # others may take a text as well
            bad = is_truth_text(value) or (isinstance(value, str) and value.lower() in _SWITCHES)
        elif word == "a list":
            bad = bad and not name.endswith("_cfg")
        elif strict and word == _SCALARS["int"]:
            bad = bad or value is None or isinstance(value, (float, list, tuple))
        if word and bad:
            raise ADSError(f"{where}.{name} is {short(value)}; use {word}.")


def _declared(kind: Callable[..., Any]) -> dict[str, tuple[str, bool]]:
    """By argument, the word for what it must be by annotation or default, and whether by
    annotation."""
    found: dict[str, tuple[str, bool]] = {}
    seen: set[str] = set()
    for p in _parameters(kind):
        if p.name in seen or p.name == "type":
            continue
        seen.add(p.name)
        annotated = _SCALARS.get(getattr(p.annotation, "__name__", str(p.annotation)))
        word = annotated
        if word is None and isinstance(p.default, (list, tuple)):
            word = "a list"
        elif word is None and p.annotation is p.empty and type(p.default) in (int, float, bool):
            word = _SCALARS["bool" if type(p.default) is bool else "float"]
        if word is not None and not (p.default is None and word == _SCALARS["int"]):
            found[p.name] = word, annotated is not None
    return found


def _parameters(kind: Callable[..., Any]) -> Iterator[inspect.Parameter]:
    """Of a function, or of a class and of those that it passes ``**kwargs`` on to."""
    if not inspect.isclass(kind):
        yield from inspect.signature(kind).parameters.values()
        return
    for base in kind.__mro__[:-1]:
        if "__init__" in vars(base):
            parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
            yield from parameters
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                return
