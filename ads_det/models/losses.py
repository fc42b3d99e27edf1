"""Hard negative mining, shared by both activations of the head."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def hard_negative_loss(loss: Tensor, positive: Tensor, neg_pos_ratio: float) -> Tensor:
    """Sum of all positive anchors' losses and of the hardest negatives of each image.

    An image with P positive anchors contributes its ``neg_pos_ratio * P`` largest negative
    losses (SSD, Sec. 2.2). One sort serves the whole batch.

    Args:
        loss: non-negative loss of each anchor, shape (N, A).
        positive: boolean, shape (N, A).
        neg_pos_ratio: 3 in SSD.

    Returns:
        A scalar; divide it by the number of positives.
    """
    keep = neg_pos_ratio * positive.sum(dim=1, keepdim=True)
    negatives = loss.masked_fill(positive, 0)
    if on_cpu(loss):  # the hardest of them are found sooner than all are sorted
        most = min(math.ceil(keep.max()), loss.shape[1])
        negatives = negatives.topk(most, dim=1).values
    else:  # nobody waits for the device
        negatives = negatives.sort(dim=1, descending=True).values
    rank = torch.arange(negatives.shape[1], device=loss.device)
    return (loss * positive).sum() + (negatives * (rank < keep)).sum()


def on_cpu(tensor: Tensor) -> bool:
    """Whether reading a number of the tensor waits for nothing."""
    return tensor.is_cpu
