"""A single-stage detector whose head carries two classifiers."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from mmdet.models.detectors import SingleStageDetector
from mmdet.structures import SampleList
from torch import Tensor, nn

from ads_det.core.normalization import anchor_confidence
from ads_det.core.outputs import BoxOutputs
from ads_det.models.base import TwoClassifierModel
from ads_det.models.image_losses import head_image_losses
from ads_det.registry import MODELS


@MODELS.register_module()
class ADSDetector(TwoClassifierModel, SingleStageDetector):
    """mmdet's single-stage detector with the modes of :class:`TwoClassifierModel`.

    ``predict`` writes the prediction of the mean of both classifiers to ``pred_instances``.
    With ``test_cfg=dict(per_classifier=True)`` it also writes ``pred_instances_f1`` and
    ``pred_instances_f2``.
    """

    has_boxes = True

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True):
        return self.predict_jointly([self], batch_inputs, batch_data_samples, rescale)

    def predict_jointly(
        self,
        models: list[ADSDetector],
        batch_inputs: Tensor,
        batch_data_samples: SampleList,
        rescale: bool = True,
    ) -> SampleList:
        """As :meth:`predict`, by the mean of the probabilities and of the box branches of several
        models with the same anchors."""
        heads = [model.bbox_head(model.extract_feat(batch_inputs)) for model in models]
        scores = [levels for own, *_ in heads for levels in own]
        rest = [
            [sum(same[1:], same[0]) / len(same) for same in zip(*branch, strict=True)]
            for branch in zip(*(others for _, *others in heads), strict=True)
        ]
        predictions = self.bbox_head.predict_from(
            scores,
            rest,
            batch_data_samples,
            rescale,
            per_classifier=self.test_cfg.get("per_classifier", False) and len(models) == 1,
        )
        for name in predictions.keys() - {"mean"}:
            for sample, instances in zip(batch_data_samples, predictions[name], strict=True):
                sample.set_field(instances, f"pred_instances_{name}")
        return self.add_pred_to_datasample(batch_data_samples, predictions["mean"])

    @property
    def num_classes(self) -> int:
        return self.bbox_head.num_classes

    def probabilities(self, feats: tuple[Tensor, ...]) -> list[Tensor]:
        return self.bbox_head.probabilities(feats)

    def heat_maps(self, feats: tuple[Tensor, ...]) -> list[Tensor]:
        """Where each classifier sees objects, (N, H, W) of the finest level."""
        return self.bbox_head.heat_maps(feats)

    def box_outputs(
        self, inputs: Tensor, feats: tuple[Tensor, ...], samples: SampleList
    ) -> tuple[BoxOutputs, ...]:
        predicted = self.bbox_head.predict(feats, samples, rescale=False)
        return tuple(
            BoxOutputs(p.bboxes, p.scores, p.labels, box_features(feats[0][i], p.bboxes, inputs))
            for i, p in enumerate(predicted)
        )

    def label_losses(self, feats: tuple[Tensor, ...], data_samples: SampleList) -> dict[str, Any]:
        return self.bbox_head.loss(feats, data_samples)

    def image_losses(
        self, feats: tuple[Tensor, ...], data_samples: SampleList, reduction: str = "mean"
    ) -> Tensor:
        return head_image_losses(self.bbox_head, feats, data_samples, reduction)

    def classification_loss(
        self, feats: tuple[Tensor, ...], data_samples: SampleList
    ) -> dict[str, Any]:
        return self.bbox_head.classification_loss(feats, data_samples)

    def classifiers(self) -> list[nn.Module]:
        return self.bbox_head.classifiers()

    def confidence(self, y1: Tensor, y2: Tensor) -> Tensor:
        objects = self.bbox_head.num_classes  # softmax has the background after them
        return anchor_confidence(y1[..., :objects], y2[..., :objects])


def box_features(level: Tensor, boxes: Tensor, inputs: Tensor) -> Tensor:
    """Features of one image at the centres of boxes, interpolated.

    Args:
        level: (D, H, W).
        boxes: corners in pixels of the input, (M, 4).
        inputs: input of the model, (N, 3, height, width).

    Returns:
        Shape (M, D), float32.
    """
    size = boxes.new_tensor([inputs.shape[3], inputs.shape[2]])
    centres = (boxes[:, :2] + boxes[:, 2:]) / size - 1  # from -1 to 1 over the image
    sampled = F.grid_sample(
        level[None].float(), centres[None, None].float(), padding_mode="border", align_corners=False
    )
    return sampled[0, :, 0].T
