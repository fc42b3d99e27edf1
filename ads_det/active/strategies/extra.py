"""Images for which a module of the method gives the largest value."""

from __future__ import annotations

from torch import Tensor

from ads_det.active.strategies.base import MeasuredStrategy
from ads_det.core.outputs import Outputs
from ads_det.core.ranking import check_reduction, check_topk, topk_reduce
from ads_det.registry import STRATEGIES


@STRATEGIES.register_module()
class Extra(MeasuredStrategy):
    """The largest value first of an extra that the method supplies, such as a predicted loss.

    Args:
        name: name of the extra, see ``provides`` of :class:`~ads_det.models.base.Extension`.
        topk: for a value an anchor: number of the largest or, as a float, their fraction.
        reduction: ``'mean'``, ``'sum'`` or ``'kth'`` of them.

    Raises:
        ValueError: if an argument has no meaning.
    """

    def __init__(self, name: str, topk: int | float = 20, reduction: str = "mean") -> None:
        check_topk(topk)
        check_reduction(reduction)
        if not isinstance(name, str) or not name:
            raise ValueError(f"name is {name!r}; use that of an extra of the method")
        self.name, self.topk, self.reduction = name, topk, reduction
        self.needs = frozenset({name})

    def measure(self, outputs: Outputs) -> Tensor:
        return topk_reduce(outputs.extras[self.name], self.topk, self.reduction)
