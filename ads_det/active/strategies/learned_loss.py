"""LL4AL's selection: images of the largest predicted loss."""

from __future__ import annotations

from torch import Tensor

from ads_det.active.strategies.base import MeasuredStrategy
from ads_det.core.outputs import Outputs
from ads_det.registry import STRATEGIES

_NAME = "predicted_loss"


@STRATEGIES.register_module()
class LearnedLoss(MeasuredStrategy):
    """The largest predicted loss first (Yoo and Kweon, CVPR 2019), of a model that the method
    ``ads_det.LL4AL`` trained."""

    needs = frozenset({_NAME})

    def measure(self, outputs: Outputs) -> Tensor:
        return outputs.extras[_NAME]
