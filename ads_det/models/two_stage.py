"""Faster R-CNN whose second stage carries two classifiers."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.detectors import FasterRCNN
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor

from ads_det.models.box_model import BoxModel
from ads_det.registry import MODELS


class Levels(tuple):
    """Features of L levels, each (N, D_l, H_l, W_l), and the (height, width) of the input."""

    size: tuple[int, int]


@MODELS.register_module()
class ADSFasterRCNN(BoxModel, FasterRCNN):
    """mmdet's Faster R-CNN with the modes of :class:`~ads_det.models.base.TwoClassifierModel`.

    The regions that the RPN proposes are the anchors of the two classifiers. The RPN belongs to g;
    it learns from labelled images only, as proposals carry no gradient. An image has A =
    ``test_cfg.rpn.max_per_img`` anchors; where the RPN finds fewer, the rest are background for
    certain, which adds nothing to entropy and discrepancy.

    ``predict`` writes ``pred_instances`` by the mean of both classifiers, and those of each with
    ``test_cfg=dict(per_classifier=True)``.
    """

    @property
    def head(self) -> Any:
        return self.roi_head.bbox_head

    def extract_feat(self, batch_inputs: Any) -> Levels:
        """Features of images; features are given back as they are, for the losses of features."""
        if isinstance(batch_inputs, tuple):
            return batch_inputs  # type: ignore[return-value]
        levels = Levels(super().extract_feat(batch_inputs))
        levels.size = tuple(batch_inputs.shape[-2:])  # type: ignore[assignment]
        return levels

    def label_losses(self, feats: tuple[Tensor, ...], data_samples: SampleList) -> dict[str, Any]:
        return self.loss(feats, data_samples)

    def classification_loss(
        self, feats: tuple[Tensor, ...], data_samples: SampleList
    ) -> dict[str, Any]:
        losses = self.loss(feats, data_samples)
        return {name: value for name, value in losses.items() if name.startswith("loss_cls")}

    def probabilities(self, feats: Levels) -> list[Tensor]:
        """Of each classifier (N, A, C + 1) in float32, the last class is the background."""
        metas = [dict(img_shape=feats.size, scale_factor=(1.0, 1.0))] * len(feats[0])
        with torch.no_grad():
            outputs = self.rpn_head(feats)
            proposals = self.rpn_head.predict_by_feat(*outputs, batch_img_metas=metas)
        counts = [len(p) for p in proposals]
        scores, *_ = self._regions(feats, proposals)
        return [
            torch.stack([self._filled(image) for image in y.float().softmax(dim=1).split(counts)])
            for y in self.head.split(scores)
        ]

    def _filled(self, y: Tensor) -> Tensor:
        missing = self.rpn_head.test_cfg.max_per_img - len(y)
        background = y.new_zeros(missing, y.shape[1])
        background[:, -1] = 1
        return torch.cat([y, background])

    def _regions(
        self, feats: tuple[Tensor, ...], proposals: list[InstanceData]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of both classifiers, box deltas and regions (R, 5) of all images."""
        rois = bbox2roi([p.bboxes for p in proposals])
        found = self.roi_head._bbox_forward(feats, rois)
        return found["cls_score"], found["bbox_pred"], rois

    def predict(
        self, batch_inputs: Any, batch_data_samples: SampleList, rescale: bool = True
    ) -> SampleList:
        feats = self.extract_feat(batch_inputs)
        each = self.test_cfg.get("per_classifier", False)
        predictions = self._predict_each(feats, batch_data_samples, rescale, each)
        for name in predictions.keys() - {"mean"}:
            for sample, instances in zip(batch_data_samples, predictions[name], strict=True):
                sample.set_field(instances, f"pred_instances_{name}")
        return self.add_pred_to_datasample(batch_data_samples, predictions["mean"])

    def _predicted(self, feats: tuple[Tensor, ...], samples: SampleList) -> list:
        return self._predict_each(feats, samples, rescale=False, per_classifier=False)["mean"]

    def _predict_each(
        self, feats: tuple[Tensor, ...], samples: SampleList, rescale: bool, per_classifier: bool
    ) -> dict[str, list[InstanceData]]:
        """Boxes after NMS: ``'mean'`` and, if asked, ``'f1'`` and ``'f2'`` of each image."""
        proposals = self.rpn_head.predict(feats, samples, rescale=False)
        scores, deltas, rois = self._regions(feats, proposals)
        variants = {"mean": scores}
        if per_classifier:
            variants |= {f"f{k}": own for k, own in enumerate(self.head.split(scores), start=1)}
        counts = [len(p) for p in proposals]
        return {
            name: self.head.predict_by_feat(
                rois.split(counts),
                some.split(counts),
                deltas.split(counts),
                batch_img_metas=[sample.metainfo for sample in samples],
                rcnn_test_cfg=self.test_cfg.rcnn,
                rescale=rescale,
            )
            for name, some in variants.items()
        }
