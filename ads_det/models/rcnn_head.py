"""The second stage of Faster R-CNN with two adversarial classifiers."""

from __future__ import annotations

from typing import Any

from mmdet.models.roi_heads.bbox_heads import Shared2FCBBoxHead, Shared4Conv1FCBBoxHead
from torch import Tensor

from ads_det.models.doubled_layer import DoubledLayer, joint_log_probabilities
from ads_det.registry import MODELS


class _TwoClassifierRCNN(DoubledLayer):
    """Scores of both classifiers stand side by side, (R, 2 (C + 1)) for R regions, so that mmdet's
    RoI heads hand them on as they are."""

    classification_layer = "fc_cls"

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features of R regions (R, D, h, w) to scores (R, K (C + 1)) and box deltas."""
        with self.both_classifiers():
            return super().forward(x)  # type: ignore[misc]

    def split(self, scores: Tensor) -> list[Tensor]:
        """Of each classifier that is there (R, C + 1); the last class is the background."""
        return list(scores.split(self.num_classes + 1, dim=1))

    def loss(self, cls_score: Tensor, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Eq. 1 on the regions' targets: ``loss_cls1``, ``loss_cls2`` (with two classifiers), and
        the head's others once."""
        head_loss = super().loss  # type: ignore[misc]
        each = [head_loss(scores, *args, **kwargs) for scores in self.split(cls_score)]
        losses = {f"loss_cls{k}": one.pop("loss_cls") for k, one in enumerate(each, start=1)}
        return losses | each[0]

    def predict_by_feat(self, rois: Any, cls_scores: Any, *args: Any, **kwargs: Any) -> list:
        """Boxes of each image after NMS, by the mean of the probabilities of the classifiers whose
        scores are given, one or both."""
        joint = tuple(joint_log_probabilities(self.split(s), dim=1) for s in cls_scores)
        return super().predict_by_feat(rois, joint, *args, **kwargs)  # type: ignore[misc]


@MODELS.register_module()
class ADSShared2FCBBoxHead(_TwoClassifierRCNN, Shared2FCBBoxHead):
    """The head of Faster R-CNN (Ren et al., NeurIPS 2015) whose layer of class scores is doubled.

    f1 and f2 are a linear layer each; the layers that both share, and those before, belong to g.
    Arguments as in mmdet's Shared2FCBBoxHead, and ``num_classifiers``: 2, or 1 for the plain head.
    """


@MODELS.register_module()
class ADSShared4Conv1FCBBoxHead(_TwoClassifierRCNN, Shared4Conv1FCBBoxHead):
    """As :class:`ADSShared2FCBBoxHead` with four convolutions and one linear layer before."""
