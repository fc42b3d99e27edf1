"""The head of Generalized Focal Loss with two adversarial classifiers."""

from __future__ import annotations

from mmdet.models.dense_heads import GFLHead

from ads_det.models.two_classifier_head import TwoClassifierHead
from ads_det.registry import MODELS


@MODELS.register_module()
class ADSGFLHead(TwoClassifierHead, GFLHead):
    """GFL's head (Li et al., NeurIPS 2020) whose last classification layer is doubled.

    f1 and f2 are a 3x3 convolution each, shared by all levels. Both have the same targets: labels,
    and the IoU of the shared box as quality. Boxes are weighed by the larger a positive's score is,
    which is that of the mean of both. Arguments as in mmdet's GFLHead and
    :class:`TwoClassifierHead`.
    """

    classification_layer = "gfl_cls"
    assign_by = "mean"
