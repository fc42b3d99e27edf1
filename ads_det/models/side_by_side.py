"""Several convolutions of the same features as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def side_by_side(layers: Sequence[nn.ModuleList], x: Sequence[Tensor]) -> list[list[Tensor]]:
    """What K layers give for the features of each level, as a rule by one convolution a level
    with their kernels stacked.

    Args:
        layers: K lists over levels of a convolution, or of a sequence of modules.
        x: features of L levels, each (N, channels, H_l, W_l).

    Returns:
        K lists over levels, each (N, channels of the convolution, H_l, W_l).
    """
    levels = [_level(modules, feat) for *modules, feat in zip(*layers, x, strict=True)]
    return [list(one) for one in zip(*levels, strict=True)]


def _level(modules: list[nn.Module], feat: Tensor) -> Sequence[Tensor]:
    convs = [m[0] if isinstance(m, nn.Sequential) and len(m) == 1 else m for m in modules]
    if len(convs) == 1 or not _stackable(convs):
        return [module(feat) for module in modules]
    if any(_watched(module) for module in (*modules, *convs)):
        return [module(feat) for module in modules]
    weight = torch.cat([conv.weight for conv in convs])
    bias = torch.cat([conv.bias for conv in convs])
    return convs[0]._conv_forward(feat, weight, bias).split([len(c.bias) for c in convs], dim=1)


def _stackable(convs: list[nn.Module]) -> bool:
    """Whether the convolutions differ in their output channels alone."""
    shapes = set()
    for conv in convs:
        if type(conv) is not nn.Conv2d or conv.bias is None or conv.groups != 1:
            return False
        shapes.add((conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.padding_mode))
    return len(shapes) == 1


def _watched(module: nn.Module) -> bool:
    """Whether somebody waits for the module itself to run, or has replaced what it does."""
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    hooks += (module._backward_hooks, module._backward_pre_hooks)
    return any(hooks) or "forward" in vars(module)
