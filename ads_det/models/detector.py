"""A single-stage detector whose head carries two classifiers."""

from __future__ import annotations

from typing import Any

from mmdet.models.detectors import SingleStageDetector
from mmdet.structures import SampleList
from torch import Tensor

from ads_det.models.box_model import BoxModel
from ads_det.models.image_losses import head_image_losses
from ads_det.registry import MODELS


@MODELS.register_module()
class ADSDetector(BoxModel, SingleStageDetector):
    """mmdet's single-stage detector with the modes of
    :class:`~ads_det.models.base.TwoClassifierModel`.

    ``predict`` writes the prediction of the mean of both classifiers to ``pred_instances``.
    With ``test_cfg=dict(per_classifier=True)`` it also writes ``pred_instances_f1`` and
    ``pred_instances_f2``.
    """

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
    def head(self) -> Any:
        return self.bbox_head

    def probabilities(self, feats: tuple[Tensor, ...]) -> list[Tensor]:
        return self.bbox_head.probabilities(feats)

    def heat_maps(self, feats: tuple[Tensor, ...]) -> list[Tensor]:
        """Where each classifier sees objects, (N, H, W) of the finest level."""
        return self.bbox_head.heat_maps(feats)

    def _predicted(self, feats: tuple[Tensor, ...], samples: SampleList) -> list:
        return self.bbox_head.predict(feats, samples, rescale=False)

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
