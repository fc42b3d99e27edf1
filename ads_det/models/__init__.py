"""Models with two adversarial classifiers on shared features."""

import ads_det.registry  # noqa: F401  isort: skip  (before mmdet: it supplies the ops)

from ads_det.models.backbones import CIFARVGG, CIFARResNet
from ads_det.models.base import TwoClassifierModel
from ads_det.models.classifier import ADSClassifier
from ads_det.models.detector import ADSDetector
from ads_det.models.plain import PlainDetector
from ads_det.models.preprocessor import BatchAugmentPreprocessor
from ads_det.models.ssd_head import ADSSSDHead

__all__ = [
    "CIFARVGG",
    "ADSClassifier",
    "ADSDetector",
    "ADSSSDHead",
    "BatchAugmentPreprocessor",
    "CIFARResNet",
    "PlainDetector",
    "TwoClassifierModel",
]
