"""Dropout that can be repeated: Monte Carlo passes whose masks are a function of a seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConsistentDropout(nn.Module):
    """Drops whole channels. In training each image has a mask of its own; while
    :func:`fixed_masks` is in force all images share one (as in BatchBALD, Kirsch et al., NeurIPS
    2019, Sec. 4.3), so that a score depends neither on the batch nor on the process. Otherwise,
    in eval mode, it does nothing.

    Args:
        p: share of the channels that is dropped, in [0, 1).

    Raises:
        ValueError: if ``p`` is no such share.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 <= p < 1:
            raise ValueError(f"dropout is {p!r}; use a share from 0 to below 1")
        self.p = p
        self.seed: int | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(N, D) or (N, D, H, W) to the same shape."""
        if not self.p:
            return x
        if self.seed is not None:
            generator = torch.Generator().manual_seed(self.seed)
            kept = torch.rand(x.shape[1], generator=generator) >= self.p
            mask = kept.to(x) / (1 - self.p)
            return x * mask.view(1, -1, *(1,) * (x.dim() - 2))
        if x.dim() == 2:
            return F.dropout(x, self.p, self.training)
        return F.dropout2d(x, self.p, self.training)


@contextmanager
def fixed_masks(model: object, seed: int | None) -> Iterator[None]:
    """Let every :class:`ConsistentDropout` of a model draw its mask from a seed inside the block.

    Args:
        model: an nn.Module.
        seed: seed of the pass; None changes nothing.
    """
    modules = [] if seed is None else _dropouts(model)
    try:
        for place, module in enumerate(modules):
            module.seed = seed + place  # layers of equal width have masks of their own
        yield
    finally:
        for module in modules:
            module.seed = None


def has_dropout(model: object) -> bool:
    """Whether passes of a model can differ."""
    return any(module.p for module in _dropouts(model))


def _dropouts(model: Any) -> list[ConsistentDropout]:
    return [module for module in model.modules() if isinstance(module, ConsistentDropout)]
