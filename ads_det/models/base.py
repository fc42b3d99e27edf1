"""What the phases and the scorer need of a model, whatever its task."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn


class TwoClassifierModel:
    """Mixin for an mmengine model whose ``extract_feat`` feeds two classifiers f1 and f2.

    It adds three modes to ``forward``, because under DistributedDataParallel only what passes
    through ``forward`` is seen by the gradient reducer:

    - ``'probabilities'``: ``(y1, y2)`` of a batch, differentiable through features and
      classifiers: the agreement phase, and, in inference mode, scoring.
    - ``'features'``: ``(y1, y2, pooled)``: beside them the features of each image, shape (N, D),
      for strategies that want images unlike each other.
    - ``'discrepancy'``: ``(y1, y2, losses)`` from features computed without gradient. The
      losses are Eq. 1 on a labelled batch passed beside the unlabelled one, so that both terms
      of Eq. 8 come from one forward pass and make one update.

    Probabilities have shape (N, A, C) for a detector with A anchors and (N, C) for a
    classifier. A model with a single classifier (the plain baseline) returns it twice.
    """

    def forward(
        self,
        inputs: Tensor,
        data_samples: Any = None,
        mode: str = "tensor",
        labeled: dict[str, Any] | None = None,
    ) -> Any:
        """Run one mode.

        Args:
            inputs: preprocessed images, shape (N, 3, H, W).
            data_samples: their data samples (labels, meta information).
            mode: ``'loss'``, ``'predict'`` or ``'tensor'`` as in mmengine, or one of those
                above.
            labeled: for ``'discrepancy'``, the preprocessed labelled batch: a dict of
                ``inputs`` and ``data_samples``.
        """
        if mode == "probabilities":
            return self.probabilities(self.extract_feat(inputs))
        if mode == "features":
            feats = self.extract_feat(inputs)
            return *self.probabilities(feats), pooled_features(feats)
        if mode == "discrepancy":
            assert labeled is not None
            with torch.no_grad():
                feats = self.extract_feat(inputs)
                labeled_feats = self.extract_feat(labeled["inputs"])
            losses = self.classification_loss(labeled_feats, labeled["data_samples"])
            return *self.probabilities(feats), losses
        return super().forward(inputs, data_samples, mode)  # type: ignore[misc]

    @abstractmethod
    def probabilities(self, feats: Any) -> tuple[Tensor, Tensor]:
        """``(y1, y2)`` from features."""

    @abstractmethod
    def classification_loss(self, feats: Any, data_samples: Any) -> dict[str, Any]:
        """Eq. 1 on labelled features: a dict of losses, without any box loss."""

    @abstractmethod
    def classifiers(self) -> list[nn.Module]:
        """The modules f1 and f2; everything else is g."""

    @abstractmethod
    def object_confidence(self, y1: Tensor, y2: Tensor) -> Tensor:
        """Largest mean probability of any object class in each image, shape (N,)."""


def pooled_features(feats: Tensor | tuple[Tensor, ...]) -> Tensor:
    """One vector an image, float32: features (N, D) as they are, or the spatial means of all
    levels (N, D_l, H_l, W_l) side by side."""
    levels = [feats] if isinstance(feats, Tensor) else feats
    means = [x.mean(dim=(2, 3)) if x.dim() == 4 else x for x in levels]
    return torch.cat(means, dim=1).float()
