"""Whether a detector's head has the background as a class, its last one."""

from __future__ import annotations

import inspect
from typing import Any

from mmdet.models.dense_heads import AnchorHead, SSDHead
from mmdet.models.roi_heads.bbox_heads import BBoxHead


def background_is_a_class(kind: type, arguments: dict) -> bool | None:
    """By a head's config: its scores are a softmax over classes and background.

    Args:
        kind: class of a part of a model.
        arguments: its config.

    Returns:
        None if the part is no head of which that is known.
    """
    if issubclass(kind, SSDHead):
        default = default_argument(kind, "activation", "softmax")
        return bool(arguments.get("activation", default) == "softmax")
    if issubclass(kind, (AnchorHead, BBoxHead)):
        loss = arguments.get("loss_cls") or default_argument(kind, "loss_cls", {})
        return not loss.get("use_sigmoid", False)
    return None


def default_argument(kind: type, name: str, otherwise: Any) -> Any:
    """The default of an argument of a class or of the first of its bases that takes it."""
    for base in kind.__mro__:
        parameter = inspect.signature(base.__init__).parameters.get(name)  # type: ignore[misc]
        if parameter is not None:
            return parameter.default
    return otherwise
