"""What a model answers for a batch of images: the one record that strategies and phases read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor

# what a strategy may ask of any model; other names are extras that a method's module supplies
MEMBERS = "members"
FEATURES = "features"
BOXES = "boxes"
INPUTS = "inputs"


class BoxOutputs(NamedTuple):
    """The boxes predicted in one image, after suppression.

    Args:
        boxes: corners x1, y1, x2, y2 in pixels of the model's input, shape (M, 4).
        scores: score of each box, shape (M,).
        labels: class of each box, shape (M,).
        features: features of the finest level at the centre of each box, shape (M, D).
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    features: Tensor


class Outputs(NamedTuple):
    """Answer of a model for N images. What was not asked for is empty or None.

    Args:
        members: class probabilities of each of K predictors, such as two classifiers, the models
            of an ensemble or passes with dropout: K tensors of one shape, (N, A, C) for a
            detector with A anchors or (N, C) for a classifier. A plain model has one.
        features: pooled features, shape (N, D), float32.
        extras: further values by name, each of shape (N,) or (N, A).
        boxes: predicted boxes, one item an image.
        inputs: preprocessed images, shape (N, 3, H, W).
    """

    members: tuple[Tensor, ...] = ()
    features: Tensor | None = None
    extras: Mapping[str, Tensor] = MappingProxyType({})
    boxes: tuple[BoxOutputs, ...] | None = None
    inputs: Tensor | None = None

    @property
    def mean(self) -> Tensor:
        """Mean probability of the members, shape of each."""
        return sum(self.members[1:], self.members[0]) / len(self.members)
