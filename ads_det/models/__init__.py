"""Models with two adversarial classifiers on shared features."""

import ads_det.registry  # noqa: F401  isort: skip  (before mmdet: it supplies the ops)

from ads_det.models.atss_head import ADSATSSHead
from ads_det.models.backbones import CIFARVGG, CIFARResNet
from ads_det.models.base import Extension, TwoClassifierModel
from ads_det.models.classifier import ADSClassifier
from ads_det.models.detector import ADSDetector
from ads_det.models.fcos_head import ADSFCOSHead
from ads_det.models.foreign import ForeignDetector
from ads_det.models.gfl_head import ADSGFLHead
from ads_det.models.preprocessor import BatchAugmentPreprocessor, DetDataPreprocessor
from ads_det.models.rcnn_head import ADSShared2FCBBoxHead, ADSShared4Conv1FCBBoxHead
from ads_det.models.resnet import ResNet
from ads_det.models.retina_head import ADSRetinaHead
from ads_det.models.rtmdet_head import ADSRTMDetHead, ADSRTMDetSepBNHead
from ads_det.models.ssd_head import ADSSSDHead
from ads_det.models.two_stage import ADSFasterRCNN

__all__ = [
    "CIFARVGG",
    "ADSATSSHead",
    "ADSClassifier",
    "ADSDetector",
    "ADSFCOSHead",
    "ADSFasterRCNN",
    "ADSGFLHead",
    "ADSRTMDetHead",
    "ADSRTMDetSepBNHead",
    "ADSRetinaHead",
    "ADSSSDHead",
    "ADSShared2FCBBoxHead",
    "ADSShared4Conv1FCBBoxHead",
    "BatchAugmentPreprocessor",
    "CIFARResNet",
    "DetDataPreprocessor",
    "Extension",
    "ForeignDetector",
    "ResNet",
    "TwoClassifierModel",
]
