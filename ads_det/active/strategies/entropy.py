"""The paper's selection: mean entropy of the two classifiers (Eq. 3)."""

from __future__ import annotations

import math

from torch import Tensor

from ads_det.active.strategies.base import MeasuredStrategy
from ads_det.core.entropy import ENTROPY_OF, check_entropy, mean_entropy
from ads_det.core.ranking import check_reduction, check_topk, topk_reduce
from ads_det.errors import ADSError
from ads_det.registry import STRATEGIES


def entropy_score(
    y1: Tensor,
    y2: Tensor,
    topk: int | float = 1000,
    reduction: str = "mean",
    entropy_of: str = "mean",
    normalize: bool = False,
    base: float = math.e,
) -> Tensor:
    """Score (N,) of images from probabilities (N, A, C) or (N, C): Eq. 3 for each anchor, then
    the largest ``topk`` of them reduced to one number."""
    return topk_reduce(mean_entropy(y1, y2, entropy_of, normalize, base), topk, reduction)


@STRATEGIES.register_module()
class Entropy(MeasuredStrategy):
    """Images of the largest entropy first.

    With a model of two classifiers trained by ADS this is the paper's strategy; with one
    classifier, which then counts twice in the mean, it is plain entropy sampling.

    Args:
        topk: number of anchors (the paper: 1000) or, as a float, their fraction; ignored by
            models without anchors.
        reduction: ``'mean'``, ``'sum'`` or ``'kth'`` of the ``topk`` largest.
        entropy_of: ``'mean'`` (Eq. 3), ``'max'`` or ``'min'`` of the classifiers' entropies.
        normalize: divide the probabilities by their sum first, as the authors' published code
            does; this changes the order of sigmoid outputs.
        base: of the logarithm; changes the scores but not their order.

    Raises:
        ValueError: if an argument has no meaning.
    """

    def __init__(
        self,
        topk: int | float = 1000,
        reduction: str = "mean",
        entropy_of: str = "mean",
        normalize: bool = False,
        base: float = math.e,
    ) -> None:
        check_topk(topk)
        check_entropy(normalize, base)
        check_reduction(reduction)
        if entropy_of not in ENTROPY_OF:
            raise ValueError(f"entropy_of is {entropy_of!r}; use one of {', '.join(ENTROPY_OF)}")
        self.topk, self.reduction, self.entropy_of = topk, reduction, entropy_of
        self.normalize, self.base = normalize, base

    def measure(self, y1: Tensor, y2: Tensor) -> Tensor:
        return entropy_score(
            y1, y2, self.topk, self.reduction, self.entropy_of, self.normalize, self.base
        )


@STRATEGIES.register_module()
class ADSEntropy(Entropy):
    """:class:`Entropy` that insists on two classifiers: the paper's selection, and no other."""

    def measure(self, y1: Tensor, y2: Tensor) -> Tensor:
        if y1 is y2:
            raise ADSError(
                "ADSEntropy needs two classifiers, but the model has one; use ads_det.Entropy, or "
                "num_classifiers=2."
            )
        return super().measure(y1, y2)
