"""The interface of a method."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from ads_det.engine.build import build_from
from ads_det.engine.phases import unwrap
from ads_det.errors import ADSError
from ads_det.registry import METHODS


class Method(Hook):
    """How the model of a cycle is trained: an mmengine hook that the Runner calls in all its
    stages, and what the Runner needs to know before.

    A method that needs modules of its own adds them in :meth:`extend_model`; one that looks at
    unlabelled images finds the config of their loader in ``runner.cfg.unlabeled_dataloader``
    (None if there are none), see :class:`~ads_det.engine.methods.unlabeled.UnlabeledEpochs`.
    State that a resumed training needs goes through ``before_save_checkpoint`` and
    ``after_load_checkpoint``.
    """

    priority = "NORMAL"
    members: int = 1  # trainings of one cycle, which differ in their seed
    min_classifiers: int = 1  # that the model must have
    sees_unlabeled: bool = False
    # whether of the unlabelled images only those that have an object, as only labels say
    reads_labels: bool = False
    # arguments that another method's config hands on when only its type is changed
    keeps: frozenset[str] = frozenset()
    # names of what its modules give strategies; None if it does not say
    provides: frozenset[str] | None = None

    def check_config(self, cfg: Config) -> None:
        """Refuse what of a run's config it cannot work with, before any work.

        Raises:
            ADSError: names the key.
        """

    def extend_model(self, model: nn.Module) -> None:
        """Add modules (:class:`~ads_det.models.base.Extension`) to a model that was just built.

        It is called before the model is wrapped for several processes and before its optimiser is
        built, in training as in evaluation.
        """

    def before_train(self, runner: Runner) -> None:
        """Refuse a model with too few classifiers.

        Raises:
            ADSError: then.
        """
        if self.min_classifiers > 1:
            check_classifiers(self, len(unwrap(runner.model).classifiers()))


def check_classifiers(method: Method, found: int) -> None:
    """Refuse a number of classifiers that a method cannot work with.

    Raises:
        ADSError: says what to change.
    """
    if found < method.min_classifiers:
        raise ADSError(
            f"The method {type(method).__name__} needs {method.min_classifiers} classifiers, but "
            f"the model has {found}; set its num_classifiers={method.min_classifiers}, or "
            "method=ads_det.Plain."
        )


def build_method(cfg: Config) -> Method:
    """The method of a config; plain training without a ``method`` block.

    Raises:
        ADSError: if it is unknown or an argument has no meaning.
    """
    given: Any = cfg.get("method")
    if given is None and "method" in cfg:
        raise ADSError("`method` is None; use method=dict(type='ads_det.Plain').")
    method: Method = build_from(METHODS, "ads_det.Plain" if given is None else given, "method")
    name, provides = type(method).__name__, method.provides
    if type(method.members) is not int or method.members < 1:
        raise ADSError(f"{name}.members is {method.members!r}; use a whole number of 1 or more.")
    if provides is not None and not isinstance(provides, Set):
        raise ADSError(f"{name}.provides is {provides!r}; use frozenset({{'NAME'}}), or None.")
    return method
