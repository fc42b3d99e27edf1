"""What strategies share that compare the predictions of several members or passes."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor

from ads_det.active.strategies.base import MeasuredStrategy
from ads_det.core.outputs import Outputs
from ads_det.core.ranking import check_reduction, check_topk, topk_reduce


class Comparison(MeasuredStrategy):
    """A value of several predictions, summed up one by one so that 25 passes need the memory of
    one, over the anchors of an image.

    The predictions are those of all classifiers, models of an ensemble
    (``method.members``) and passes with dropout together; there must be two at least.

    Args:
        passes: passes with dropout (``dropout`` of the head or classifier), 1 for none; 25 in
            Beluch et al., CVPR 2018.
        topk: number of the anchors with the largest value or, as a float, their fraction; ignored
            by models without anchors.
        reduction: ``'mean'``, ``'sum'`` or ``'kth'`` of them.

    Raises:
        ValueError: if an argument has no meaning.
    """

    min_members = 2

    def __init__(self, passes: int = 1, topk: int | float = 20, reduction: str = "mean") -> None:
        if type(passes) is not int or passes < 1:
            raise ValueError(f"passes is {passes!r}; use a whole number of 1 or more")
        check_topk(topk)
        check_reduction(reduction)
        self.passes, self.topk, self.reduction = passes, topk, reduction

    def accumulator(self) -> Sums:
        return Sums(self)

    def measure(self, outputs: Outputs) -> Tensor:
        sums = self.accumulator()
        sums.add(outputs)
        return sums.result()

    @abstractmethod
    def terms(self, y: Tensor) -> tuple[Tensor, ...]:
        """What is summed over the predictions, of one of them."""

    @abstractmethod
    def value(self, *means: Tensor) -> Tensor:
        """The value of each anchor from the means of the terms, (N, A) or (N,)."""


class Sums:
    """The accumulator of a :class:`Comparison`."""

    def __init__(self, strategy: Comparison) -> None:
        self._strategy = strategy
        self._sums: list[Any] = []
        self._count = 0

    def add(self, outputs: Outputs) -> None:
        for y in outputs.members:
            terms = self._strategy.terms(y.float())
            self._sums = [a + b for a, b in zip(self._sums or [0.0] * len(terms), terms)]
            self._count += 1

    def result(self) -> Tensor:
        values = self._strategy.value(*(total / self._count for total in self._sums))
        return topk_reduce(values, self._strategy.topk, self._strategy.reduction)


class EntropyComparison(Comparison):
    """As :class:`Comparison`, of entropies.

    Args:
        binary: whether the classes are independent: True for sigmoid outputs, as those of
            ads_det.ADSClassifier, RetinaNet and SSD with ``activation='sigmoid'``; False for
            SSD's softmax.
        **kwargs: see there.
    """

    def __init__(self, binary: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(binary, bool):
            raise ValueError(f"binary is {binary!r}; use True or False")
        self.binary = binary
