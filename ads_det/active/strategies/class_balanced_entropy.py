"""As many uncertain images for one class as for another: ours, not the paper's."""

from __future__ import annotations

import itertools

import numpy as np
from torch import Tensor

from ads_det.active.strategies.base import Candidates, Strategy
from ads_det.core.entropy import class_entropy
from ads_det.core.outputs import Outputs
from ads_det.core.ranking import check_reduction, check_topk, rank, topk_reduce
from ads_det.registry import STRATEGIES


@STRATEGIES.register_module()
class ClassBalancedEntropy(Strategy):
    """The classes take turns; each chooses the image it is least sure about of those left.

    Eq. 3 sums over the classes, so one class that the model has not learnt yet may outweigh all
    others, and :class:`~ads_det.active.strategies.entropy.Entropy` select little else. Here an
    image has one score for each class, that of the class's own term of Eq. 3, and no class is
    outweighed. The utility of an image, by which ``scores.csv`` is sorted, is the sum of its
    scores; with a single class this is entropy selection. The background of a softmax detector
    takes its turn as a class.

    Args:
        topk: number of anchors (for each class, those of its largest terms) or, as a float,
            their fraction; ignored by models without anchors.
        reduction: ``'mean'``, ``'sum'`` or ``'kth'`` of the ``topk`` largest.

    Raises:
        ValueError: if an argument has no meaning.
    """

    classes_take_turns = True

    def __init__(self, topk: int | float = 20, reduction: str = "mean") -> None:
        check_topk(topk)
        check_reduction(reduction)
        self.topk, self.reduction = topk, reduction

    def measure(self, outputs: Outputs) -> Tensor:
        """One value for each class, shape (N, C)."""
        return self.by_class(class_entropy(outputs.members))

    def by_class(self, terms: Tensor) -> Tensor:
        """From one value a class and anchor, (N, A, C), or a class, (N, C), to (N, C)."""
        if terms.dim() == 2:  # a classifier
            return terms
        by_class = terms.transpose(1, 2).flatten(0, 1)
        return topk_reduce(by_class, self.topk, self.reduction).view(len(terms), -1)

    def utilities(self, candidates: Candidates) -> np.ndarray:
        assert candidates.values is not None
        return candidates.values.sum(axis=1)

    def choose(self, candidates: Candidates, order: list[int], budget: int) -> list[int]:
        assert candidates.values is not None
        queues = [iter(rank(candidates.ids, column)) for column in candidates.values.T]
        chosen: dict[int, None] = {}
        for queue in itertools.cycle(queues):
            if len(chosen) == budget:
                break
            chosen[next(i for i in queue if i not in chosen)] = None
        return list(chosen)
