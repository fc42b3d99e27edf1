"""RetinaNet's head with two adversarial classifiers."""

from __future__ import annotations

from mmdet.models.dense_heads import RetinaHead

from ads_det.models.two_classifier_head import TwoClassifierHead
from ads_det.registry import MODELS


@MODELS.register_module()
class ADSRetinaHead(TwoClassifierHead, RetinaHead):
    """RetinaNet's head (Lin et al., ICCV 2017) whose last classification layer is doubled.

    f1 and f2 are a 3x3 convolution each, shared by all levels; the tower of convolutions before
    them belongs to g. Both are trained by the head's own loss (focal loss unless configured) on
    the same targets. Arguments as in mmdet's RetinaHead and :class:`TwoClassifierHead`.
    """

    classification_layer = "retina_cls"
