"""ATSS's head with two adversarial classifiers."""

from __future__ import annotations

from mmdet.models.dense_heads import ATSSHead

from ads_det.models.two_classifier_head import TwoClassifierHead
from ads_det.registry import MODELS


@MODELS.register_module()
class ADSATSSHead(TwoClassifierHead, ATSSHead):
    """ATSS's head (Zhang et al., CVPR 2020) whose last classification layer is doubled.

    f1 and f2 are a 3x3 convolution each, shared by all levels; centredness belongs to g. The
    assigner reads anchors and boxes only, so both classifiers have the same targets. Arguments as
    in mmdet's ATSSHead and :class:`TwoClassifierHead`.
    """

    classification_layer = "atss_cls"
