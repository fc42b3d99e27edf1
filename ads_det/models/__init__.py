"""Models with two adversarial classifiers on shared features."""

from ads_det.models.base import TwoClassifierModel
from ads_det.models.detector import ADSDetector
from ads_det.models.ssd_head import ADSSSDHead

__all__ = ["ADSDetector", "ADSSSDHead", "TwoClassifierModel"]
