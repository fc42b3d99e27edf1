"""Hard negative mining, shared by both activations of the head."""

from __future__ import annotations

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
    negatives = loss.masked_fill(positive, 0).sort(dim=1, descending=True).values
    rank = torch.arange(loss.shape[1], device=loss.device)
    keep = neg_pos_ratio * positive.sum(dim=1, keepdim=True)
    return (loss * positive).sum() + (negatives * (rank < keep)).sum()
