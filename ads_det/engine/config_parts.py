"""Parts of a config: found, checked and built, with one sentence for each that cannot be."""

from __future__ import annotations

import copy
import inspect
import random
import re
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.registry import MODELS, TRANSFORMS, Registry

from ads_det.engine.build import accepted_arguments, is_open, passes_over
from ads_det.engine.config_keys import like, nearest, short
from ads_det.engine.declared import check_declared
from ads_det.errors import ADSError


class NeedsDataError(Exception):
    """A sampler looks into the images, which are not read here."""


class NoImages:
    """Stands in for a data set of which nothing is known but that it has images."""

    def __len__(self) -> int:
        return 64

    def __getattr__(self, name: str) -> Any:
        raise AttributeError if name.startswith("__") else NeedsDataError

    def __getitem__(self, index: int) -> Any:
        raise NeedsDataError


@contextmanager
def same_randomness() -> Iterator[None]:
    """Leave the random states as they are."""
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextmanager
def named(path: str, node: Any) -> Iterator[None]:
    """Turn whatever is raised in the block into a sentence about a key of a config."""
    try:
        yield
    except NeedsDataError:
        return
    except ADSError as error:
        text = str(error)
        raise ADSError(text if path.split(".")[0] in text else f"{path}: {text}") from error
    except Exception as error:
        where, kind = _innermost(path, node, error)
        named = "" if kind is None else f" ({getattr(kind, '__name__', kind)})"
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        holders = dict(_holders(node, path, unknown[1])) if unknown else {}
        if unknown and holders:
            if where not in holders:  # passed on by a dict without a class
                where, kind, named = next(iter(holders)), None, ""
            known = accepted_arguments(kind) if inspect.isclass(kind) else holders[where].keys()
            raise ADSError(
                f"{where}.{unknown[1]}: {where}{named} has no such key{like(unknown[1], known)}."
            ) from error
        raise ADSError(f"{where}{named}: {_reason(error)}; correct it.") from error


def _holders(node: Any, path: str, name: str) -> Iterator[tuple[str, dict]]:
    """The dicts in a part of a config that have a name, by key."""
    if isinstance(node, dict):
        if name in node:
            yield path, node
        for key, value in node.items():
            yield from _holders(value, f"{path}.{key}", name)
    elif isinstance(node, (list, tuple)):
        for number, value in enumerate(node):
            yield from _holders(value, f"{path}[{number}]", name)


def _innermost(path: str, node: Any, error: Exception) -> tuple[str, Any]:
    """The part of a config that mmengine was building when it failed, and its class."""
    found: tuple[str, Any] = (path, node.get("type") if isinstance(node, dict) else None)
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "build_from_cfg":
            given = frame.f_locals.get("cfg")
            for where, part in typed_parts(node, path):
                # parents add arguments of their own
                if isinstance(given, dict) and part.items() and _within(part, given):
                    found = where, frame.f_locals.get("obj_cls") or part.get("type")
    return found


def _within(part: dict, given: dict) -> bool:
    return all(
        name in given and given[name] is not None and _same(given[name], value)
        for name, value in part.items()
        if value is not None
    )


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:
        return False


def typed_parts(node: Any, path: str) -> Iterator[tuple[str, dict]]:
    """Every dict of a config that has a type, by its key."""
    if isinstance(node, dict):
        if "type" in node:
            yield path, node
        for name, value in node.items():
            yield from typed_parts(value, f"{path}.{name}")
    elif isinstance(node, (list, tuple)):
        for number, value in enumerate(node):
            yield from typed_parts(value, f"{path}[{number}]")


def _reason(error: Exception) -> str:
    text = " ".join(str(error.args[0] if error.args else "").split())
    if isinstance(error, AssertionError) and not text:  # the line that says what should hold
        text = traceback.extract_tb(error.__traceback__)[-1].line or ""
    if "is not in the" in text:  # mmengine's message for an unknown type
        return text.split(". ")[0]
    if isinstance(error, RuntimeError) and text.startswith("Failed to get"):
        return f"the type {text.removeprefix('Failed to get').strip()!r} is unknown"
    text = text.rstrip(".;") if len(text) < 240 else f"{text[:240]}..."
    said = " " in text if isinstance(error, KeyError) else bool(text)
    return text if said else f"{type(error).__name__} {text}".rstrip()


def find_type(registry: Registry, name: Any, path: str) -> type:
    try:
        with registry.switch_scope_and_registry(None) as scoped:
            found = scoped.get(name) if isinstance(name, str) else name
    except Exception:  # mmengine tries to import what it does not know
        found = None
    if found is None or not callable(found):
        raise ADSError(
            f"{path}.type is {short(name)}, which is no known {registry.name}; correct it."
        )
    return found  # type: ignore[no-any-return]


def build_part(registry: Registry, given: Any, path: str, **defaults: Any) -> Any:
    """One object of a config, checked and built."""
    if not isinstance(given, dict):
        raise ADSError(f"{path} is {short(given)}; it must be a dict of type and arguments.")
    kind = find_type(registry, given.get("type"), path)
    check_arguments(kind, given, path)
    check_types(given, path, registry)
    with named(path, given):
        return registry.build(copy.deepcopy(given), default_args=defaults or None)


# arguments that name a class to which others are passed on, as in RandomResize and EMAHook
_PASSED_ON = {
    "resize_type": (TRANSFORMS, "Resize"),
    "ema_type": (MODELS, "ExponentialMovingAverage"),
}


def check_arguments(kind: Any, arguments: dict, path: str) -> None:
    """Refuse what a class does not take, also where it would be passed over in silence, and a text
    for what it declares to be a number or a truth value."""
    if not inspect.isclass(kind):
        return
    accepted = accepted_arguments(kind)
    for name, (registry, default) in _PASSED_ON.items():
        if name in accepted:
            inner = find_type(registry, arguments.get(name, default), path)
            accepted = accepted | accepted_arguments(inner)
    unknown = [
        k for k in arguments if k not in accepted and k != "type" and not str(k).startswith("_")
    ]
    if unknown and not is_open(kind):
        raise ADSError(
            f"{path}.{unknown[0]}: {kind.__name__} has no such key{like(unknown[0], accepted)}."
        )
    check_declared(kind, arguments, path)


def check_types(node: Any, path: str, *registries: Registry) -> None:
    """:func:`check_declared` of every class in a part of a config, strictly but in models, whose
    declarations are less to be trusted.

    Args:
        node: a part of a config.
        path: its key.
        *registries: where the types in it may be found.
    """
    for where, part in typed_parts(node, path):
        kind = part["type"]
        for registry in registries:
            kind = _registered(registry, kind) if isinstance(kind, str) else kind
        if not inspect.isclass(kind):
            continue
        in_model = any(place.name in ("model", "task util") for place in registries)
        check_declared(kind, part, where, strict=not in_model)


def check_forgotten(node: Any, path: str, registry: Registry) -> None:
    """Refuse arguments in a part of a config that the classes of a registry would pass over."""
    for where, part in typed_parts(node, path):
        kind = part["type"]
        kind = _registered(registry, kind) if isinstance(kind, str) else kind
        if inspect.isclass(kind) and passes_over(kind):
            check_arguments(kind, part, where)


def _registered(registry: Registry, name: str) -> Any:
    """The class of a name, or the name; nothing is imported to find it."""
    scope, _, rest = name.rpartition(".")
    with registry.switch_scope_and_registry(scope or None) as found:
        place: Registry | None = found
        while place is not None:
            if rest in place.module_dict:
                return place.module_dict[rest]
            place = place.parent
    return name


def check_spelling(given: Any, words: Collection[str], path: str) -> None:
    """Refuse names that are nearly one of some words, where others may mean something too."""
    for name in _names(given, path):
        near = None if name in words else nearest(str(name), words)
        if near is not None:
            raise ADSError(f"{path} has the key {name!r}, which nothing reads; write {near!r}.")


def _names(given: Any, path: str) -> list[Any]:
    if given is not None and not isinstance(given, dict):
        raise ADSError(f"{path} is {short(given)}; it must be a dict.")
    return list(given or ())


def check_names(given: Any, known: Collection[str], path: str) -> None:
    for name in _names(given, path):
        if name not in known:
            raise ADSError(f"{path}.{name}: {path} has no such key{like(name, known)}.")


def each_part(given: Any, path: str) -> Iterator[tuple[str, dict]]:
    """The dicts of a block that is one or a list of them."""
    for where, part in (
        [(path, given)]
        if not isinstance(given, (list, tuple))
        else [(f"{path}[{i}]", part) for i, part in enumerate(given)]
    ):
        if part is None and where == path:
            return
        if not isinstance(part, dict):
            raise ADSError(f"{where} is {short(part)}; it must be a dict of type and arguments.")
        yield where, part
