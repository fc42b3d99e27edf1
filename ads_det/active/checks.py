"""What of a config is refused before any work, since a whole training would only show it later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.config import Config

from ads_det.active.settings import Settings
from ads_det.active.strategies import ADSEntropy
from ads_det.errors import ADSError


def check_num_classes(node: Any, classes: Sequence[str]) -> None:
    """Every ``num_classes`` in a model's config must be that of the data set.

    Raises:
        ADSError: if one is not; one class too many would silently train as background.
    """
    for key, value in node.items() if isinstance(node, dict) else ():
        if key == "num_classes" and classes and value != len(classes):
            raise ADSError(
                f"The model has num_classes={value}, but `metainfo.classes` names {len(classes)} "
                f"{tuple(classes)[:5]}; make them agree."
            )
        check_num_classes(value, classes)


def check_strategy(settings: Settings, cfg: Config) -> None:
    """Refuse a strategy that wants two classifiers where there is one.

    Raises:
        ADSError: before a whole training shows it.
    """
    head = cfg.model.get("bbox_head") or cfg.model
    if head.get("num_classifiers", 2) != 1:
        return
    for key in ("strategy", "initial_strategy"):
        if getattr(settings, key) and isinstance(settings.build_strategy(key), ADSEntropy):
            raise ADSError(
                f"ADSEntropy needs two classifiers (active_learning.{key}), but the model has one; "
                "use ads_det.Entropy, or num_classifiers=2."
            )
