"""Objects from what a config says, with one sentence for what it cannot mean."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from mmengine.registry import FUNCTIONS, Registry

from ads_det.errors import ADSError


def find_class(registry: Registry, name: Any, where: str) -> type:
    """The class that a ``type`` names.

    Args:
        registry: registry of the kind wanted.
        name: with or without scope, or the class itself.
        where: key of the config, for the sentence.

    Raises:
        ADSError: if there is none; names those there are.
    """
    try:
        found = registry.get(name) if isinstance(name, str) else name
    except Exception:  # mmengine tries to import what it does not know
        found = None
    if not inspect.isclass(found):
        known = ", ".join(f"ads_det.{key}" for key in sorted(registry.module_dict))
        raise ADSError(f"{where}.type is {name!r}; use one of {known}.")
    return found


def find_function(name: Any, where: str) -> Callable[..., Any]:
    """The function that the ``type`` of a block such as ``active_learning.prepare`` names.

    Raises:
        ADSError: if there is none.
    """
    try:
        found = FUNCTIONS.get(name) if isinstance(name, str) else name
    except Exception:  # as above
        found = None
    if not callable(found):
        raise ADSError(f"{where}.type is {name!r}, which is no registered function; correct it.")
    return found


def build_from(registry: Registry, given: Any, where: str) -> Any:
    """The object of a name such as ``'ads_det.Entropy'``, or of a dict of type and arguments.

    Raises:
        ADSError: if it is unknown or an argument has no meaning.
    """
    if not isinstance(given, (str, dict)):
        raise ADSError(
            f"{where} is {given!r}; use a name such as 'ads_det.{_example(registry)}' or a dict of "
            "type and arguments."
        )
    arguments = dict(type=given) if isinstance(given, str) else dict(given)
    name = arguments.pop("type", None)
    kind = find_class(registry, name, where)
    accepted = accepted_arguments(kind)
    unknown = sorted(arguments.keys() - accepted)
    if unknown:
        takes = f"it takes {', '.join(sorted(accepted))}" if accepted else "it takes no argument"
        raise ADSError(f"{where} ({name}) has no {unknown[0]!r}; {takes}.")
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise ADSError(f"{where} ({name}): {error}.") from error


def accepted_arguments(kind: type) -> set[str]:
    """Names that a class and those it passes ``**kwargs`` on to take."""
    names: set[str] = set()
    for base in kind.__mro__[:-1]:
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        names |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return names - {"self"}


def passes_over(kind: type) -> bool:
    """Whether a class takes arguments of any name: it or the last base that it passes ``**kwargs``
    on to."""
    takes = False
    for base in kind.__mro__[:-1]:
        if "__init__" in vars(base):
            parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
            takes = any(p.kind is p.VAR_KEYWORD for p in parameters)
            if not takes:
                return False
    return takes


def is_open(kind: type) -> bool:
    """Whether arguments of any name may mean something to a class; those of OpenMMLab forget what
    they do not know."""
    own = kind.__module__.split(".")[0] in ("mmengine", "mmcv", "mmdet", "ads_det")
    return passes_over(kind) and not own


def _example(registry: Registry) -> str:
    registry.import_from_location()
    return next(iter(sorted(registry.module_dict)), "Name")
