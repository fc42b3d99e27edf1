"""Losses of latent-space selection: VAAL (Sinha et al., ICCV 2019) and SRAAL (Zhang et al., CVPR
2020). A discriminator answers with logits; its D(mu) is their sigmoid, 1 for labelled."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def reconstruction_loss(decoded: Tensor, images: Tensor) -> Tensor:
    """Mean squared error over all values of a batch, both (N, 3, H, W) (VAAL, Eq. 1)."""
    return (decoded - images).square().mean()


def kl_divergence(mu: Tensor, logvar: Tensor, average: bool) -> Tensor:
    """Divergence of N(mu, exp(logvar)) from N(0, 1) (VAAL, Eq. 1).

    Args:
        mu: shape (N, Z).
        logvar: shape (N, Z).
        average: the mean over images and dimensions; else their sum, as the authors' published
            code takes it.
    """
    each = 0.5 * (mu.square() + logvar.exp() - 1 - logvar)
    return each.mean() if average else each.sum()


def deception_loss(labeled: Tensor, unlabeled: Tensor) -> Tensor:
    """What the encoder is asked for: that all images pass for labelled (VAAL, Eq. 2).

    Args:
        labeled: logits of the discriminator, shape (N,).
        unlabeled: likewise, shape (M,).
    """
    return F.softplus(-labeled).mean() + F.softplus(-unlabeled).mean()


def discriminator_loss(labeled: Tensor, unlabeled: Tensor, target: Tensor | float = 0.0) -> Tensor:
    """Cross-entropy of the discriminator (VAAL, Eq. 3; SRAAL, Eq. 7).

    Args:
        labeled: logits of labelled images, shape (N,), whose target is 1.
        unlabeled: logits of unlabelled images, shape (M,).
        target: Target of the unlabelled images: 0 (VAAL), or 1 less their uncertainty, shape (M,)
            (SRAAL).
    """
    targets = torch.as_tensor(target, dtype=unlabeled.dtype, device=unlabeled.device)
    on_unlabeled = F.binary_cross_entropy_with_logits(unlabeled, targets.expand_as(unlabeled))
    return F.softplus(-labeled).mean() + on_unlabeled


def balanced_accuracy(labeled: Tensor, unlabeled: Tensor, target: Tensor | float = 0.0) -> float:
    """Mean of the shares recognised, of labelled and of unlabelled images: 0.5 is what a guess
    gives, however many there are of each.

    Args:
        labeled: logits of labelled images, shape (N,).
        unlabeled: logits of unlabelled images, shape (M,).
        target: Target of the unlabelled images, see :func:`discriminator_loss`. An image is
            called labelled above the middle between 1 and its mean, the one answer for all
            images that has the least loss.
    """
    middle = torch.logit((1 + torch.as_tensor(target, dtype=torch.float64).mean()) / 2)
    middle = middle.to(labeled.device)
    return float(((labeled > middle).double().mean() + (unlabeled <= middle).double().mean()) / 2)


def uncertainty_indicator(distribution: Tensor) -> Tensor:
    """How little a prediction says, from 0 (sure of one class) to ``1 - 1 / C`` (SRAAL, Eq. 4-5).

    ``1 - minVar(V) / Var(V) * max V``, where minVar is the smallest variance of a distribution
    with that maximum: the rest spread evenly over the other classes. For even probabilities both
    variances are 0 and their ratio is taken as 1, its limit.

    Args:
        distribution: probabilities that sum to one, shape (..., C), C at least 2.

    Returns:
        Shape (...).
    """
    count = distribution.shape[-1]
    most = distribution.amax(dim=-1)
    variance = (distribution - 1 / count).square().mean(dim=-1)
    least = (most - 1 / count).square() / (count - 1)
    even = variance <= torch.finfo(variance.dtype).eps ** 2
    ratio = torch.where(even, 1.0, least / variance.masked_fill(even, 1.0))
    return 1 - ratio.clamp(max=1) * most
