"""Images whose best class is least probable."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ads_det.active.strategies.base import MeasuredStrategy
from ads_det.core.outputs import Outputs
from ads_det.core.ranking import check_reduction, check_topk, topk_reduce
from ads_det.core.uncertainty import class_distribution, least_confidence
from ads_det.registry import STRATEGIES


class AnchorUncertainty(MeasuredStrategy):
    """An uncertainty of the mean prediction of all members, over the anchors of an image.

    Args:
        topk: number of the most uncertain anchors or, as a float, their fraction; ignored by
            models without anchors.
        reduction: ``'mean'``, ``'sum'`` or ``'kth'`` of them.
        background: whether the classes leave out the background, see
            :func:`~ads_det.core.uncertainty.class_distribution`: True for a detector's sigmoid
            classes, False for its softmax; a classifier has none.

    Raises:
        ValueError: if an argument has no meaning.
    """

    uncertainty: Callable[[Tensor], Tensor]

    def __init__(
        self, topk: int | float = 20, reduction: str = "mean", background: bool = True
    ) -> None:
        check_topk(topk)
        check_reduction(reduction)
        if not isinstance(background, bool):
            raise ValueError(f"background is {background!r}; use True or False")
        self.topk, self.reduction, self.background = topk, reduction, background

    def measure(self, outputs: Outputs) -> Tensor:
        mean = outputs.mean
        distribution = class_distribution(mean, self.background and mean.dim() == 3)
        return topk_reduce(type(self).uncertainty(distribution), self.topk, self.reduction)


@STRATEGIES.register_module()
class LeastConfident(AnchorUncertainty):
    """Images with the largest ``1 - max_c p_c``, see :class:`AnchorUncertainty`."""

    uncertainty = staticmethod(least_confidence)
