"""The paper's selection: mean entropy of the two classifiers (Eq. 3)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ads_det.active.strategies.base import MeasuredStrategy
from ads_det.core.entropy import PAPER, EntropyRule, mean_entropy
from ads_det.core.outputs import Outputs
from ads_det.core.ranking import check_reduction, check_topk, topk_reduce
from ads_det.registry import STRATEGIES


def entropy_score(
    members: Sequence[Tensor],
    topk: int | float = 1000,
    reduction: str = "mean",
    rule: EntropyRule = PAPER,
) -> Tensor:
    """Score (N,) of images from probabilities (N, A, C) or (N, C) of each member: Eq. 3 for each
    anchor, then the largest ``topk`` of them reduced to one number."""
    return topk_reduce(mean_entropy(members, rule), topk, reduction)


@STRATEGIES.register_module()
class Entropy(MeasuredStrategy):
    """Images of the largest entropy first.

    With a model of two classifiers trained by ADS this is the paper's strategy; with one
    classifier it is plain entropy sampling.

    Args:
        topk: number of anchors (the paper: 1000) or, as a float, their fraction; ignored by
            models without anchors.
        reduction: ``'mean'``, ``'sum'`` or ``'kth'`` of the ``topk`` largest.
        entropy_of: ``'mean'`` (Eq. 3), ``'max'`` or ``'min'`` of the members' entropies.
        normalize: divide the probabilities by their sum first, as the authors' published code
            does; this changes the order of sigmoid outputs.

    Raises:
        ValueError: if an argument has no meaning.
    """

    def __init__(
        self,
        topk: int | float = 1000,
        reduction: str = "mean",
        entropy_of: str = "mean",
        normalize: bool = False,
    ) -> None:
        check_topk(topk)
        check_reduction(reduction)
        self.topk, self.reduction = topk, reduction
        self.rule = EntropyRule(entropy_of, normalize)

    def measure(self, outputs: Outputs) -> Tensor:
        return entropy_score(outputs.members, self.topk, self.reduction, self.rule)
