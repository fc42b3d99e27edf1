"""A single-stage detector whose head carries two classifiers."""

from __future__ import annotations

from typing import Any

from mmdet.models.detectors import SingleStageDetector
from mmdet.structures import SampleList
from torch import Tensor, nn

from ads_det.models.base import TwoClassifierModel
from ads_det.registry import MODELS


@MODELS.register_module()
class ADSDetector(TwoClassifierModel, SingleStageDetector):
    """mmdet's single-stage detector with the modes of :class:`TwoClassifierModel`.

    ``predict`` writes the prediction of the mean of both classifiers to ``pred_instances``.
    With ``test_cfg=dict(per_classifier=True)`` it also writes ``pred_instances_f1`` and
    ``pred_instances_f2``.
    """

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True):
        predictions = self.bbox_head.predict_each(
            self.extract_feat(batch_inputs),
            batch_data_samples,
            rescale=rescale,
            per_classifier=self.test_cfg.get("per_classifier", False),
        )
        for name in predictions.keys() - {"mean"}:
            for sample, instances in zip(batch_data_samples, predictions[name], strict=True):
                sample.set_field(instances, f"pred_instances_{name}")
        return self.add_pred_to_datasample(batch_data_samples, predictions["mean"])

    @property
    def num_classes(self) -> int:
        return self.bbox_head.num_classes

    def probabilities(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        return self.bbox_head.probabilities(feats)

    def classification_loss(
        self, feats: tuple[Tensor, ...], data_samples: SampleList
    ) -> dict[str, Any]:
        return self.bbox_head.classification_loss(feats, data_samples)

    def classifiers(self) -> list[nn.Module]:
        return self.bbox_head.classifiers()

    def object_confidence(self, y1: Tensor, y2: Tensor) -> Tensor:
        objects = ((y1 + y2) / 2)[..., : self.bbox_head.num_classes]
        return objects.flatten(1).amax(dim=1)
