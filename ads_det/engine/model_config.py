"""What a model's config says of its classifiers, whatever the detector."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from ads_det.engine.build import accepted_arguments
from ads_det.errors import ADSError
from ads_det.models.background import background_is_a_class, default_argument
from ads_det.registry import MODELS

_CLASSIFIERS = "num_classifiers"
# Others have no layer of class scores over fixed anchors whose doubling would be ADS: those of
# DETR's kind match queries to objects, a cascade has three second stages, and YOLOX's class scores
# mean nothing without its objectness.
FAMILIES = "SSD, RetinaNet, FCOS, ATSS, GFL, RTMDet and Faster R-CNN"


def find_settings(node: Any, name: str, key: str = "model") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of every setting of a name in a model's config."""
    if isinstance(node, dict):
        for own, value in node.items():
            if own == name:
                yield f"{key}.{own}", value
            yield from find_settings(value, name, f"{key}.{own}")
    elif isinstance(node, (list, tuple)):  # the stages of a cascade
        for i, value in enumerate(node):
            yield from find_settings(value, name, f"{key}.{i}")


def with_setting(model: dict, key: str, value: Any) -> dict:
    """A model's config after a setting of :func:`find_settings` was changed (in place)."""
    node: Any = model
    *path, last = key.split(".")[1:]
    for part in path:
        node = node[int(part)] if isinstance(node, (list, tuple)) else node[part]
    node[last] = value
    return model


def has_background(model: dict) -> bool:
    """Whether the background is a class of a detector, its last one."""
    for _, node in _parts(model, "model"):
        kind = _class_of(node)
        found = background_is_a_class(kind, node) if kind and "num_classes" in node else None
        if found is not None:
            return found
    return False


def classifiers_key(model: dict) -> str | None:
    """Dotted key of the setting that says how many classifiers a model has; None for a model that
    has no such choice."""
    for key, node in _parts(model, "model"):
        kind = _class_of(node)
        if kind is not None and _CLASSIFIERS in accepted_arguments(kind):
            return f"{key}.{_CLASSIFIERS}"
    return None


def classifiers_in(model: dict) -> int:
    """Number of classifiers that a model's config asks for, 1 where there is no choice."""
    key = classifiers_key(model)
    if key is None:
        return 1
    node = model
    for part in key.split(".")[1:-1]:
        node = node[part]
    if _CLASSIFIERS in node:
        number = node[_CLASSIFIERS]
        if type(number) is not int or number < 1:
            raise ADSError(f"{key} is {str(number)[:60]}; use a whole number of 1 or more.")
        return number
    return int(default_argument(_class_of(node), _CLASSIFIERS, 1))


def _parts(node: Any, key: str) -> Iterator[tuple[str, dict]]:
    if isinstance(node, dict):
        yield key, node
        for name, value in node.items():
            yield from _parts(value, f"{key}.{name}")


def _class_of(node: dict) -> type | None:
    """The class that a part of a model is built from; None if there is none or it is unknown."""
    kind = node.get("type")
    if isinstance(kind, str):
        try:
            with MODELS.switch_scope_and_registry(None) as registry:
                kind = registry.get(kind) or MODELS.get(kind)
        except Exception:  # mmengine tries to import what it does not know
            return None
    return kind if inspect.isclass(kind) else None
