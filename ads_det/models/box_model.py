"""What all detectors with two classifiers share."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmdet.structures import SampleList
from torch import Tensor, nn

from ads_det.core.normalization import anchor_confidence
from ads_det.core.outputs import BoxOutputs
from ads_det.errors import ADSError
from ads_det.models.base import TwoClassifierModel


class BoxModel(TwoClassifierModel):
    """Mixin for a detector of mmdet one of whose heads is a
    :class:`~ads_det.models.doubled_layer.DoubledLayer`."""

    has_boxes = True

    @property
    def head(self) -> Any:
        """The head that carries the classifiers."""
        raise NotImplementedError

    @property
    def num_classes(self) -> int:
        return self.head.num_classes

    def classifiers(self) -> list[nn.Module]:
        return self.head.classifiers()

    @torch.no_grad()
    def image_losses(
        self, feats: tuple[Tensor, ...], data_samples: SampleList, reduction: str = "mean"
    ) -> Tensor:
        """Each image's losses by themselves, so divided by its own positives, shape (N,)."""
        if reduction != "mean":
            raise ADSError(
                f"target='sum' needs the number of positives of an image, which "
                f"{type(self).__name__} does not tell; use target='mean'."
            )
        each = []
        for i, sample in enumerate(data_samples):
            losses = self.label_losses(tuple(f[i : i + 1] for f in feats), [sample])
            each.append(self.parse_losses(losses)[0])  # type: ignore[attr-defined]
        return torch.stack(each)

    def confidence(self, y1: Tensor, y2: Tensor) -> Tensor:
        objects = self.num_classes  # softmax has the background after them
        return anchor_confidence(y1[..., :objects], y2[..., :objects])

    def box_outputs(
        self, inputs: Tensor, feats: tuple[Tensor, ...], samples: SampleList
    ) -> tuple[BoxOutputs, ...]:
        predicted = self._predicted(feats, samples)
        return tuple(
            BoxOutputs(p.bboxes, p.scores, p.labels, box_features(feats[0][i], p.bboxes, inputs))
            for i, p in enumerate(predicted)
        )

    def _predicted(self, feats: tuple[Tensor, ...], samples: SampleList) -> list:
        """Boxes of each image in pixels of the input, by the mean of both classifiers."""
        raise NotImplementedError


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
