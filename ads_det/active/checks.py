"""What of a config is refused before any work, since a whole training would only show it later."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mmengine.config import Config

from ads_det.active.settings import Settings
from ads_det.active.strategies import Strategy
from ads_det.core.outputs import BOXES, FEATURES, INPUTS, MEMBERS
from ads_det.data.classes import check_same_classes
from ads_det.engine.datasets import pool_config
from ads_det.engine.methods import Method
from ads_det.engine.model_config import classifiers_in, find_settings
from ads_det.errors import ADSError

# parts of mmdet's detectors that tell objects from background, or other classes apart
_OWN_CLASSES = re.compile(r"\b(rpn_head|semantic_head)\b")


def check_num_classes(model: dict, classes: Sequence[str]) -> None:
    """Every ``num_classes`` in a model's config must be that of the data set.

    Raises:
        ADSError: if one is not; one class too many would silently train as background.
    """
    for key, value in find_settings(model, "num_classes"):
        if classes and value != len(classes) and not _OWN_CLASSES.search(key):
            raise ADSError(
                f"The model has num_classes={value} ({key}), but `metainfo.classes` names "
                f"{len(classes)} {tuple(classes)[:5]}; make them agree."
            )


def check_named_classes(cfg: Config) -> None:
    """Compare the classes that a config names itself, before any data set is read.

    Raises:
        ADSError: if pool and test data name others or in another order, or the model has more or
            fewer.
    """
    blocks = {"pool": pool_config(cfg), "test_dataloader.dataset": cfg.test_dataloader.dataset}
    lists = {key: (block.get("metainfo") or {}).get("classes") for key, block in blocks.items()}
    named = {k: tuple(v) for k, v in lists.items() if isinstance(v, (list, tuple)) and v}
    for classes in named.values():
        check_num_classes(cfg.model, classes)
    if len(set(named.values())) > 1:
        (key, classes), (other, others) = named.items()
        check_same_classes(classes, f"{key}.metainfo.classes", others, f"{other}.metainfo.classes")


def check_strategies(settings: Settings, cfg: Config, method: Method) -> None:
    """Refuse a strategy that compares more predictions than there will be.

    Raises:
        ADSError: before a whole training shows it.
    """
    for key in ("strategy", "initial_strategy"):
        if getattr(settings, key) is None:
            continue
        strategy = settings.build_strategy(key)
        _check_extras(strategy, key, method)
        trained = method.members if key == "strategy" else 1
        members = classifiers_in(cfg.model) * trained * strategy.passes
        if members < strategy.min_members:
            raise ADSError(
                f"active_learning.{key} ({type(strategy).__name__}) compares at least "
                f"{strategy.min_members} predictions of an image, but there will be {members}; use "
                "num_classifiers=2, more members of the method, more passes of the strategy with "
                "dropout in the model, or another strategy."
            )


def _check_extras(strategy: Strategy, key: str, method: Method) -> None:
    """Refuse a strategy that reads what the method's modules will not give."""
    extras = strategy.needs - {MEMBERS, FEATURES, BOXES, INPUTS}
    # the first images are chosen by a model that no method trained
    given = method.provides if key == "strategy" else frozenset()
    if given is not None and not extras <= given:
        raise ADSError(
            f"active_learning.{key} ({type(strategy).__name__}) reads {min(extras - given)!r}, "
            f"which a model trained by {type(method).__name__} does not give; use the method that "
            "trains it, such as method=ads_det.LL4AL for a predicted loss, or another strategy."
        )
