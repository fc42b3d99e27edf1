"""Optimisers that update all parameters in one pass."""

from __future__ import annotations

import torch
from mmengine.optim import OptimWrapper
from mmengine.utils import digit_version

_ON_CPU = digit_version("2.4")  # torch's first version whose Adam is fused on a CPU


def fuse(wrapper: OptimWrapper) -> OptimWrapper:
    """Let Adam and AdamW of parameters on a CPU run fused, unless the config says how they are to
    run; on a GPU torch chooses by itself.

    Returns:
        The wrapper given, whatever it wraps.
    """
    optimizer = getattr(wrapper, "optimizer", None)
    if type(optimizer) not in (torch.optim.Adam, torch.optim.AdamW):
        return wrapper
    if digit_version(torch.__version__.partition("+")[0]) < _ON_CPU:
        return wrapper
    for group in optimizer.param_groups:
        chosen = group["foreach"] is not None or group["fused"] is not None
        special = group["capturable"] or group["differentiable"]
        if not chosen and not special and all(_suits(p) for p in group["params"]):
            group["fused"] = True
    return wrapper


def _suits(parameter: torch.Tensor) -> bool:
    return parameter.device.type == "cpu" and parameter.dtype == torch.float32
