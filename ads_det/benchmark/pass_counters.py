"""What the networks cost that a strategy fits for itself, counted while it fits and scores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils.hooks import RemovableHandle

COUNTERS = ("forward with gradient", "forward without", "backward")


class PassCounter:
    """Counts the images that pass through a module in each direction.

    Args:
        module: gives a tensor (N, ...) or several; without it, :meth:`count` gets them.
    """

    def __init__(self, module: nn.Module | None = None) -> None:
        self.counts = dict.fromkeys(COUNTERS, 0)
        if module is not None:
            module.register_forward_hook(lambda _module, _inputs, output: self.count(output))

    def count(self, output: Any) -> None:
        """Count what a module gave."""
        first: torch.Tensor = output if isinstance(output, torch.Tensor) else output[-1]
        if not first.requires_grad:
            self.counts["forward without"] += len(first)
            return
        self.counts["forward with gradient"] += len(first)
        first.register_hook(self._backward)

    def _backward(self, gradient: torch.Tensor) -> None:
        self.counts["backward"] += len(gradient)

    def take(self) -> dict[str, int]:
        """The counts since the last call."""
        taken, self.counts = self.counts, dict.fromkeys(COUNTERS, 0)
        return taken


@dataclass
class NetworkPasses:
    """Of the networks of one class.

    Args:
        modules: these networks.
        training: counts images in train mode.
        evaluation: counts images in eval mode.
    """

    modules: set[nn.Module] = field(default_factory=set)
    training: PassCounter = field(default_factory=PassCounter)
    evaluation: PassCounter = field(default_factory=PassCounter)


class NetworkCounter:
    """Counts the images through every network with parameters that is called inside the block,
    by the name of its class. A network inside another one belongs to that.

    Args:
        models: their modules are not counted.
    """

    def __init__(self, models: Iterable[nn.Module]) -> None:
        self.found: dict[str, NetworkPasses] = {}
        self._skipped = {module for model in models for module in model.modules()}
        self._depth = 0
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> NetworkCounter:
        self._handles = [
            register_module_forward_pre_hook(self._before),
            register_module_forward_hook(self._after),
        ]
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _before(self, module: nn.Module, inputs: Any) -> None:
        self._depth += module not in self._skipped

    def _after(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if module in self._skipped:
            return
        self._depth -= 1
        if self._depth == 0 and any(True for _ in module.parameters()):
            own = self.found.setdefault(type(module).__name__, NetworkPasses())
            own.modules.add(module)
            (own.training if module.training else own.evaluation).count(output)


@dataclass(frozen=True)
class NetworkCost:
    """Of the networks of one class in one fit and one selection.

    Args:
        parameters: Number of parameters of all these networks.
        training: passes in train mode, by :data:`COUNTERS`, in one iteration of the fit, for each
            image of a labelled batch.
        evaluation: images through it in eval mode in the whole fit.
        candidates: passes for each candidate when it is scored.
    """

    parameters: int
    training: dict[str, float]
    evaluation: int
    candidates: float


def network_costs(
    fit: NetworkCounter, scoring: NetworkCounter, images: int, candidates: int
) -> dict[str, NetworkCost]:
    """Costs by class of network.

    Args:
        fit: what was counted in the fit.
        scoring: what was counted in the selection.
        images: labelled images of all iterations of the fit.
        candidates: images scored.
    """
    costs = {}
    for name, own in fit.found.items():
        scored = scoring.found.get(name, NetworkPasses())
        costs[name] = NetworkCost(
            sum(p.numel() for module in own.modules for p in module.parameters()),
            {key: n / images for key, n in own.training.take().items()},
            forwards([own.evaluation]),
            forwards([scored.training, scored.evaluation]) / candidates,
        )
    return costs


def forwards(counters: Iterable[PassCounter]) -> int:
    """Images that passed forward, with or without gradient, since they were last taken."""
    return sum(n for c in counters for name, n in c.take().items() if name != "backward")
