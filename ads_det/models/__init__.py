"""Models with two adversarial classifiers on shared features."""

import ads_det.registry  # noqa: F401  isort: skip  (before mmdet: it supplies the ops)

from ads_det.models.backbones import CIFARVGG, CIFARResNet
from ads_det.models.base import Extension, TwoClassifierModel
from ads_det.models.classifier import ADSClassifier
from ads_det.models.detector import ADSDetector
from ads_det.models.foreign import ForeignDetector
from ads_det.models.preprocessor import BatchAugmentPreprocessor
from ads_det.models.retina_head import ADSRetinaHead
from ads_det.models.ssd_head import ADSSSDHead

__all__ = [
    "CIFARVGG",
    "ADSClassifier",
    "ADSDetector",
    "ADSRetinaHead",
    "ADSSSDHead",
    "BatchAugmentPreprocessor",
    "CIFARResNet",
    "Extension",
    "ForeignDetector",
    "TwoClassifierModel",
]
