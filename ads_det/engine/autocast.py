"""Mixed precision that needs no GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from ads_det.engine.bfloat16 import ensure_bfloat16
from ads_det.engine.phases import unwrap
from ads_det.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """An OptimWrapper whose forward passes run under bfloat16 autocast, on any device.

    mmengine's ``AmpOptimWrapper`` refuses CPUs. bfloat16 has the range of float32, so losses
    need no scaling; weights, gradients, probabilities and losses stay float32. On a CPU with
    bfloat16 instructions a training step takes about half the time. Scoring and evaluation are
    not affected. A CPU that cannot do it gets float32
    (:func:`~ads_det.engine.bfloat16.ensure_bfloat16`).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.param_groups[0]["params"][0].device.type == "cpu":
            ensure_bfloat16()  # now: a forward pass before the first training step is too late

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        device = next(unwrap(model).parameters()).device.type
        enabled = device != "cpu" or ensure_bfloat16()
        autocast = torch.autocast(device, torch.bfloat16, enabled=enabled)
        with super().optim_context(model), autocast:
            yield
