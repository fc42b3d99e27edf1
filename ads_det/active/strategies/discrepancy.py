"""MI-AOD's selection: images on which the two classifiers differ."""

from __future__ import annotations

from torch import Tensor

from ads_det.active.strategies.base import MeasuredStrategy
from ads_det.core.disagreement import squared_discrepancy
from ads_det.core.outputs import Outputs
from ads_det.core.ranking import check_reduction, check_topk, topk_reduce
from ads_det.registry import STRATEGIES


@STRATEGIES.register_module()
class Discrepancy(MeasuredStrategy):
    """Largest squared discrepancy of the classifiers first (MI-AOD, Yuan et al., CVPR 2021), see
    :func:`~ads_det.core.disagreement.squared_discrepancy`. On ADS training it is MI-AOD's score
    without MI-AOD's training.

    Args:
        topk: number of anchors (MI-AOD: 10,000) or, as a float, their fraction; ignored by models
            without anchors.
        reduction: ``'mean'``, ``'sum'`` or ``'kth'`` of the ``topk`` largest.

    Raises:
        ValueError: if an argument has no meaning.
    """

    min_members = 2

    def __init__(self, topk: int | float = 10000, reduction: str = "mean") -> None:
        check_topk(topk)
        check_reduction(reduction)
        self.topk, self.reduction = topk, reduction

    def measure(self, outputs: Outputs) -> Tensor:
        return topk_reduce(squared_discrepancy(outputs.members), self.topk, self.reduction)
