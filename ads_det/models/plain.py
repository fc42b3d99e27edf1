"""Any detector of mmdet, asked for probabilities like a model with two classifiers."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.dense_heads import (
    AutoAssignHead,
    FoveaHead,
    GFLHead,
    PAAHead,
    RepPointsHead,
    SSDHead,
)
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.detectors import SingleStageDetector
from mmdet.models.detectors.base import BaseDetector
from mmengine.model import BaseModel
from torch import Tensor, nn

from ads_det.errors import ADSError
from ads_det.models.base import TwoClassifierModel, pooled_features

# They predict in a way of their own, but from the same scores as mmdet's other heads.
_PREDICTS_FROM_SCORES = (FoveaHead, GFLHead, PAAHead, RepPointsHead)
MAX_BOXES = 100


class PlainDetector(BaseModel):
    """A detector of mmdet with the modes ``'probabilities'`` and ``'features'`` of
    :class:`TwoClassifierModel`; its single prediction counts twice (y1 is y2).

    Where a single-stage detector predicts from one class score for each anchor (SSD, RetinaNet,
    FCOS, ATSS, GFL, RTMDet and others) the probabilities are those of all anchors, before any
    suppression, shape (N, A, C): sigmoid, or softmax with the background as last class, as the
    head's ``use_sigmoid_cls`` says. A map of centredness or IoU is left out.

    Of any other detector (two stages, DETR, or objectness in a map of its own as in YOLOX) they
    are the scores s of the predicted boxes, each for the box's own class, shape (N, K, 1) with
    K = ``MAX_BOXES``: the best K boxes that ``predict`` gives, after its score threshold and
    suppression, filled up with zeros. Eq. 3 is then the sum of ``-s log s``; a zero adds nothing.
    K is fixed, so that the score of an image does not depend on the others of its batch.

    Args:
        detector: with its weights, which keep their names in it; not copied.
    """

    def __init__(self, detector: BaseDetector) -> None:
        super().__init__(data_preprocessor=detector.data_preprocessor)
        self.detector = detector
        self.training = detector.training
        self.has_anchor_scores = _has_anchor_scores(detector)
        head = getattr(detector, "bbox_head", None)
        if isinstance(head, SSDHead) and not hasattr(head, "loss_cls"):
            # SSDHead skips the parent's constructor and so never sets what prediction reads
            head.loss_cls = None

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = "tensor") -> Any:
        """Run one mode: the two above, or one of the detector's own.

        Args:
            inputs: preprocessed images, shape (N, 3, H, W).
            data_samples: their data samples with meta information.
            mode: of the model.

        Raises:
            ADSError: if the detector predicts no boxes.
        """
        if mode not in ("probabilities", "features"):
            return self.detector(inputs, data_samples, mode)
        feats = None
        if self.has_anchor_scores or mode == "features":
            feats = self.detector.extract_feat(inputs)
        if self.has_anchor_scores:
            y = _anchor_probabilities(self.detector.bbox_head, feats)
        else:
            y = _box_probabilities(self.detector(inputs, data_samples, "predict"), inputs.device)
        return (y, y) if mode == "probabilities" else (y, y, pooled_features(feats))


def as_two_classifiers(model: nn.Module) -> nn.Module:
    """The model itself, or a detector of mmdet in a :class:`PlainDetector`."""
    is_plain = isinstance(model, BaseDetector) and not isinstance(model, TwoClassifierModel)
    return PlainDetector(model) if is_plain else model


def _has_anchor_scores(detector: BaseDetector) -> bool:
    """Whether the detector predicts from one class score for each anchor or point."""
    head = getattr(detector, "bbox_head", None)
    if not isinstance(detector, SingleStageDetector) or not isinstance(head, BaseDenseHead):
        return False
    if isinstance(head, AutoAssignHead):  # its centredness is objectness in fact
        return False
    if getattr(getattr(head, "loss_cls", None), "custom_cls_channels", False):
        return False
    predicts_as_all = all(
        getattr(type(head), name) is getattr(BaseDenseHead, name)
        for name in ("predict_by_feat", "_predict_by_feat_single")
    )
    has_channels = hasattr(head, "cls_out_channels") and hasattr(head, "use_sigmoid_cls")
    return has_channels and (predicts_as_all or isinstance(head, _PREDICTS_FROM_SCORES))


def _anchor_probabilities(head: Any, feats: tuple[Tensor, ...]) -> Tensor:
    """(N, A, C') in float32 from features of L levels."""
    levels = head(feats)[0]  # of each (N, anchors * C', H, W)
    n, channels = len(levels[0]), head.cls_out_channels
    scores = torch.cat([s.permute(0, 2, 3, 1).reshape(n, -1, channels) for s in levels], dim=1)
    scores = scores.float()
    return scores.sigmoid() if head.use_sigmoid_cls else scores.softmax(dim=-1)


def _box_probabilities(samples: list, device: torch.device) -> Tensor:
    """(N, MAX_BOXES, 1) in float32 from data samples with predictions."""
    y = torch.zeros(len(samples), MAX_BOXES, 1, device=device)
    for row, sample in zip(y, samples, strict=True):
        if "pred_instances" not in sample:
            raise ADSError(
                "The model predicts no boxes (`pred_instances`); use a config whose `model` is a "
                "detector of boxes."
            )
        scores = sample.pred_instances.scores.float()
        best = scores.topk(min(MAX_BOXES, len(scores))).values
        row[: len(best), 0] = best
    return y
