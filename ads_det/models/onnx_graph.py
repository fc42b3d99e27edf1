"""A dense detector as a graph of fixed image size and any number of images."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.dense_heads import GFLHead
from torch import Tensor, nn
from torchvision.ops import nms

from ads_det.errors import ADSError
from ads_det.models.detector import ADSDetector

OUTPUTS = ("probabilities", "anchor_boxes", "image", "label", "score", "box")


class OnnxGraph(nn.Module):
    """Pixels to class probabilities and boxes, with suppression at the end.

    It takes float32 pixels (N, 3, height, width) from 0 to 255 in the order in which the config's
    pipeline loads them (BGR in mmdet); normalisation is in the graph. It gives, by the mean of the
    classifiers:

    - ``probabilities`` (N, A, C) of all anchors, times centredness where the head has it;
    - ``anchor_boxes`` (N, A, 4), corners in pixels of the input;
    - ``image``, ``label``, ``score`` (M,) and ``box`` (M, 4) of the M boxes left after the score
      threshold and the suppression within each class, which ``test_cfg`` gives. At most
      ``max_per_img`` are left for each class and image; the caller keeps the best of an image.

    Args:
        model: Model in eval mode, on the CPU.
        size: height and width.

    Raises:
        ADSError: if the detector is of another kind, or cannot have such an input.
    """

    def __init__(self, model: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        if not isinstance(model, ADSDetector):
            raise ADSError(
                f"{type(model).__name__} cannot be exported to ONNX, which is for single-stage "
                "detectors; use --format mmdet."
            )
        divisor = getattr(model.data_preprocessor, "pad_size_divisor", 1)
        if any(side % divisor for side in size):
            raise ADSError(
                f"The size {size[0]}x{size[1]} is no multiple of {divisor}, to which the model "
                "pads its images; name another --size."
            )
        self.model, self.size = model, size
        with torch.no_grad():
            levels = model.extract_feat(
                torch.zeros(1, 3, *size, device=model.data_preprocessor.device)
            )
        self.level_sizes = [tuple(level.shape[-2:]) for level in levels]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        classes, y, boxes = self._dense(images)
        cfg = self.model.bbox_head.test_cfg
        # as mmdet, which asks the threshold of the class score alone
        found = (y * (classes > cfg.score_thr)).transpose(1, 2)
        chosen = _Suppress.apply(boxes, found, cfg.max_per_img, cfg.nms.iou_threshold, 0.0)
        image, label, anchor = chosen.unbind(1)
        return y, boxes, image, label, y[image, anchor, label], boxes[image, anchor]

    def dense(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (N, A, C) and boxes (N, A, 4) of all anchors."""
        return self._dense(images)[1:]

    def _dense(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities before and after centredness, and boxes."""
        head, prepare = self.model.bbox_head, self.model.data_preprocessor
        if prepare._channel_conversion:
            images = images.flip(1)
        if prepare._enable_normalize:
            images = (images - prepare.mean) / prepare.std
        feats = self.model.extract_feat(images)
        scores, deltas, *factors = head(feats)
        members = [head._activate(_rows(levels, head.cls_out_channels)) for levels in scores]
        classes = (sum(members[1:], members[0]) / len(members))[..., : head.num_classes]
        y = classes
        for factor in factors:
            y = y * _rows(factor, 1).sigmoid()
        return classes, y, self._decode(deltas)

    def _decode(self, deltas: list[Tensor]) -> Tensor:
        head, (height, width) = self.model.bbox_head, self.size
        levels = head.prior_generator.grid_priors(self.level_sizes, device=deltas[0].device)
        decoded = []
        for level, priors, stride in zip(deltas, levels, head.prior_generator.strides, strict=True):
            n = level.shape[0]
            if isinstance(head, GFLHead):
                rows = head.integral(_rows(level, level.shape[1])) * stride[0]
                priors = head.anchor_center(priors)
            else:
                rows = _rows(level, 4)
            priors = priors.expand(n, *priors.shape).reshape(-1, priors.shape[-1])
            decoded.append(head.bbox_coder.decode(priors, rows.reshape(-1, 4)).reshape(n, -1, 4))
        boxes = torch.cat(decoded, dim=1)
        x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
        return torch.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], dim=-1)


def _rows(level: Tensor, values: int) -> Tensor:
    """(N, anchors * values, H, W) or a list of them to (N, A, values)."""
    levels = level if isinstance(level, (list, tuple)) else [level]
    n = levels[0].shape[0]
    return torch.cat([x.permute(0, 2, 3, 1).reshape(n, -1, values) for x in levels], dim=1)


class _Suppress(torch.autograd.Function):
    """ONNX's NonMaxSuppression, and the same in PyTorch."""

    @staticmethod
    def forward(
        ctx: Any, boxes: Tensor, scores: Tensor, most: int, iou: float, least: float
    ) -> Tensor:
        """Rows of image, class and anchor, shape (M, 3)."""
        chosen = [torch.zeros(0, 3, dtype=torch.int64, device=boxes.device)]
        for i, image in enumerate(scores):
            for c, values in enumerate(image):
                (anchors,) = (values > least).nonzero(as_tuple=True)
                kept = anchors[nms(boxes[i, anchors], values[anchors], iou)[:most]]
                place = torch.tensor([i, c], device=boxes.device).expand(len(kept), 2)
                chosen.append(torch.cat([place, kept[:, None]], dim=1))
        return torch.cat(chosen)

    @staticmethod
    def symbolic(g: Any, boxes: Any, scores: Any, most: int, iou: float, least: float) -> Any:
        constants = [
            g.op("Constant", value_t=torch.tensor([value], dtype=kind))
            for value, kind in ((most, torch.int64), (iou, torch.float32), (least, torch.float32))
        ]
        return g.op("NonMaxSuppression", boxes, scores, *constants)
