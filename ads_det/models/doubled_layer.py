"""The two adversarial classifiers as one layer of a head, twice."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class DoubledLayer:
    """Mixin that doubles one layer of a head: the classifiers f1 and f2.

    The layer keeps its name and is f1, so that a checkpoint of the plain head loads into it; f2 is
    beside it under the same name with a 2 at its end. Whatever the head computes before and beside
    the layer is shared.

    Args:
        num_classifiers: 2, or 1 for the plain detector that baselines train.
        **kwargs: arguments of the head.

    Raises:
        ValueError: if an argument has no meaning.
    """

    classification_layer: str  # name of the layer to double

    def __init__(self, *args: Any, num_classifiers: int = 2, **kwargs: Any) -> None:
        if num_classifiers not in (1, 2) or isinstance(num_classifiers, bool):
            raise ValueError(f"num_classifiers is {num_classifiers!r}; use 1 (plain) or 2 (ADS)")
        self.num_classifiers = num_classifiers
        super().__init__(*args, **kwargs)
        if num_classifiers == 2:
            second = copy.deepcopy(getattr(self, self.classification_layer))
            for module in second.modules():
                if isinstance(module, (nn.Conv2d, nn.Linear)):
                    module.reset_parameters()  # equal classifiers would never disagree
            setattr(self, f"{self.classification_layer}2", second)
            self.init_cfg = self._doubled_init(self.init_cfg)

    def _doubled_init(self, init_cfg: Any) -> Any:
        """What initialises the layer by name initialises its double as well."""
        if isinstance(init_cfg, list):
            return [self._doubled_init(entry) for entry in init_cfg]
        if not isinstance(init_cfg, dict) or "override" not in init_cfg:
            return init_cfg
        override = init_cfg["override"]
        named = override if isinstance(override, list) else [override]
        double = [
            dict(entry, name=f"{self.classification_layer}2")
            for entry in named
            if entry["name"] == self.classification_layer
        ]
        return dict(init_cfg, override=[*named, *double])

    def classifiers(self) -> list[nn.Module]:
        """f1 and, with two classifiers, f2."""
        names = (self.classification_layer, f"{self.classification_layer}2")
        return [getattr(self, name) for name in names[: self.num_classifiers]]

    @contextmanager
    def both_classifiers(self) -> Iterator[None]:
        """Inside the block the layer gives the scores of f1 and f2 side by side (dimension 1)."""
        first, *others = map(layers_of, self.classifiers())
        handles = [
            layer.register_forward_hook(functools.partial(_append, double))
            for second in others
            for layer, double in zip(first, second, strict=True)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def layers_of(classifier: nn.Module) -> list[nn.Module]:
    """The layers of a classifier, one a level or one for all."""
    return list(classifier) if isinstance(classifier, nn.ModuleList) else [classifier]


def joint_log_probabilities(members: list[Tensor], dim: int) -> Tensor:
    """Scores whose softmax over ``dim`` is the mean of the members' softmax."""
    if len(members) == 1:
        return members[0]
    logs = [scores.log_softmax(dim=dim) for scores in members]
    return functools.reduce(torch.logaddexp, logs)  # softmax forgets the factor 1 / K


def _append(double: nn.Module, layer: nn.Module, args: tuple[Tensor], output: Tensor) -> Tensor:
    return torch.cat([output, double(*args)], dim=1)
