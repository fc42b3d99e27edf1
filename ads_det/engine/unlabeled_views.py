"""Views of unlabelled images: made on the model's device, led by no label."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def check_zoom(zoom: Any) -> tuple[float, float] | None:
    """``zoom`` as a pair, or None.

    Raises:
        ValueError: if it is no pair of positive numbers, the smaller one first.
    """
    if zoom is None:
        return None
    pair = tuple(zoom) if isinstance(zoom, (tuple, list)) else ()
    numbers = all(type(z) in (int, float) and math.isfinite(z) for z in pair)
    if len(pair) != 2 or not numbers or not 0 < pair[0] <= pair[1]:
        raise ValueError(f"zoom is {zoom!r}; use two positive scales, such as (0.6, 1.6), or None")
    return pair


def zoomed(inputs: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Images magnified about a point.

    Args:
        inputs: shape (N, C, H, W); what lies outside of an image is 0, the mean colour.
        scale: magnification of each image, shape (N,): 2 shows a quarter of it, 0.5 all of it with
            a border.
        shift: where the view lies, shape (N, 2): x and y from -1 to 1. 0 is the centre; at -1 and
            1 the view (or, of a small image, the image) touches the border.

    Returns:
        Shape of ``inputs``.
    """
    theta = inputs.new_zeros(len(inputs), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / scale
    theta[:, :, 2] = shift * (1 - 1 / scale)[:, None].abs()
    grid = F.affine_grid(theta, list(inputs.shape), align_corners=False)
    return F.grid_sample(inputs, grid, align_corners=False)


def random_zoom(inputs: Tensor, low: float, high: float) -> Tensor:
    """:func:`zoomed` at a scale drawn from [low, high], evenly in its logarithm, and a place drawn
    evenly; from torch's own random state."""
    n = len(inputs)
    exponent = torch.rand(n) * (math.log(high) - math.log(low)) + math.log(low)
    shift = 2 * torch.rand(n, 2) - 1
    return zoomed(inputs, exponent.exp().to(inputs.device), shift.to(inputs.device))


def strong_view(inputs: Tensor, contrast: float = 0.4, cut: float = 0.3) -> Tensor:
    """Another look of the same pixels in the same places: contrast, brightness, a hole.

    Args:
        inputs: normalised images, shape (N, C, H, W).
        contrast: largest relative change of the contrast, and of the brightness in standard
            deviations of the image.
        cut: side of the square hole as a share of the image's sides.

    Returns:
        Shape of ``inputs``; anchors stay where they were.
    """
    n, _, height, width = inputs.shape
    draw = (2 * torch.rand(2, n, 1, 1, 1) - 1).to(inputs.device) * contrast
    mean = inputs.mean(dim=(1, 2, 3), keepdim=True)
    spread = inputs.std(dim=(1, 2, 3), keepdim=True)
    changed = (inputs - mean) * (1 + draw[0]) + mean + draw[1] * spread
    corner = torch.rand(n, 2).to(inputs.device) * (1 - cut)
    y = (torch.arange(height, device=inputs.device) + 0.5) / height
    x = (torch.arange(width, device=inputs.device) + 0.5) / width
    inside_y = (y >= corner[:, :1]) & (y < corner[:, :1] + cut)
    inside_x = (x >= corner[:, 1:]) & (x < corner[:, 1:] + cut)
    hole = (inside_y[:, :, None] & inside_x[:, None, :])[:, None]
    return torch.where(hole, mean, changed)
