"""What makes two classifiers of the same features and labels differ: other samples for each."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

import torch
from torch import Tensor

DIVERSITIES = ("none", "bootstrap", "negatives")


def bootstrap_weights(names: Iterable[object], member: int) -> Tensor:
    """Weights of the Bayesian bootstrap (Rubin, 1981): exponential with mean 1, unscaled.

    A weight is a function of the image's name and of the member alone, so a member sees the same
    sample in all epochs and after a resumption, whatever the batches; another seed of the run
    does not change it.

    Args:
        names: Names of N images.
        member: number of the classifier.

    Returns:
        Shape (N,), float32, each above 0.
    """
    weights = []
    for name in names:
        digest = hashlib.sha256(f"bootstrap\0{member}\0{name}".encode()).digest()
        uniform = (int.from_bytes(digest[:6], "little") + 0.5) / 2**48
        weights.append(-math.log(uniform))
    return torch.tensor(weights)


def separate_samples(shape: tuple[int, ...], members: int) -> Tensor:
    """Deal each place out to one member, evenly at random, from torch's own random state.

    Returns:
        Boolean, shape (members, *shape); exactly one member has a place.
    """
    owner = torch.randint(members, shape)
    return owner == torch.arange(members).view(-1, *[1] * len(shape))
