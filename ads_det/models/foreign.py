"""A detector of mmdet that knows nothing of this project, made able to rank images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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

from ads_det.core.outputs import BOXES, FEATURES, INPUTS, MEMBERS, BoxOutputs, Outputs
from ads_det.errors import ADSError
from ads_det.models.base import ONE_PASS, TwoClassifierModel, check_needs, pooled_features
from ads_det.models.box_model import box_features

# They predict in a way of their own, but from the same scores as mmdet's other heads.
_PREDICTS_FROM_SCORES = (FoveaHead, GFLHead, PAAHead, RepPointsHead)
MAX_BOXES = 100


class ForeignDetector(BaseModel):
    """A detector of mmdet as a :class:`~ads_det.models.base.ScorableModel` with one member.

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

    provides = frozenset({MEMBERS, FEATURES, BOXES, INPUTS})

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = "tensor") -> Any:
        """One of the detector's own modes."""
        return self.detector(inputs, data_samples, mode)

    def passes(
        self,
        inputs: Tensor,
        data_samples: Any,
        needs: frozenset[str],
        seeds: Iterable[int | None] = ONE_PASS,
    ) -> Iterator[Outputs]:
        """See :class:`~ads_det.models.base.ScorableModel`; every pass is the same.

        Raises:
            ADSError: if the detector predicts no boxes.
        """
        seeds = tuple(seeds)
        check_needs(self, needs, seeds)
        needs_scores = MEMBERS in needs and self.has_anchor_scores
        needs_boxes = BOXES in needs or (MEMBERS in needs and not self.has_anchor_scores)
        feats = None
        if needs_scores or needs & {FEATURES, BOXES}:
            feats = self.detector.extract_feat(inputs)
        predicted = self._predict(inputs, data_samples) if needs_boxes else []
        if needs_scores:
            y = _anchor_probabilities(self.detector.bbox_head, feats)
        else:
            y = _box_probabilities(predicted, inputs.device)
        answer = Outputs(
            members=(y,) if MEMBERS in needs else (),
            features=pooled_features(feats) if FEATURES in needs else None,
            boxes=self._boxes(inputs, feats, predicted) if BOXES in needs else None,
            inputs=inputs if INPUTS in needs else None,
        )
        for _ in seeds:
            yield answer

    def _predict(self, inputs: Tensor, data_samples: Any) -> list:
        """Instances predicted in each image, in pixels of the original image."""
        samples = self.detector(inputs, data_samples, "predict")
        if any("pred_instances" not in sample for sample in samples):
            raise ADSError(
                "The model predicts no boxes (`pred_instances`); use a config whose `model` is a "
                "detector of boxes."
            )
        return samples

    @staticmethod
    def _boxes(inputs: Tensor, feats: Any, samples: list) -> tuple[BoxOutputs, ...]:
        level, found = feats[0] if isinstance(feats, (tuple, list)) else feats, []
        for i, sample in enumerate(samples):
            p = sample.pred_instances
            scale = p.bboxes.new_tensor(sample.metainfo.get("scale_factor", (1.0, 1.0)))
            boxes = p.bboxes * scale.repeat(2)
            features = box_features(level[i], boxes, inputs)
            found.append(BoxOutputs(boxes, p.scores, p.labels, features))
        return tuple(found)


def scorable(model: nn.Module) -> Any:
    """The model itself, or a detector of mmdet in a :class:`ForeignDetector`."""
    is_foreign = isinstance(model, BaseDetector) and not isinstance(model, TwoClassifierModel)
    return ForeignDetector(model) if is_foreign else model


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
        scores = sample.pred_instances.scores.float()
        best = scores.topk(min(MAX_BOXES, len(scores))).values
        row[: len(best), 0] = best
    return y
