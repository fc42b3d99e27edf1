"""ads_det: active learning for object detection by Agreement-Discrepancy-Selection."""

__version__ = "0.1.0"
