"""FCOS's head with two adversarial classifiers."""

from __future__ import annotations

from mmdet.models.dense_heads import FCOSHead

from ads_det.models.two_classifier_head import TwoClassifierHead
from ads_det.registry import MODELS


@MODELS.register_module()
class ADSFCOSHead(TwoClassifierHead, FCOSHead):
    """FCOS's head (Tian et al., ICCV 2019) whose last classification layer is doubled.

    f1 and f2 are a 3x3 convolution each, shared by all levels; centredness belongs to g. Arguments
    as in mmdet's FCOSHead and :class:`TwoClassifierHead`.
    """

    classification_layer = "conv_cls"
