"""Images in whose foreground the two classifiers disagree: selection by the game itself."""

from __future__ import annotations

from torch import Tensor

from ads_det.active.strategies.class_balanced_entropy import ClassBalancedEntropy
from ads_det.core.entropy import class_entropy
from ads_det.core.normalization import anchor_confidence
from ads_det.core.outputs import Outputs
from ads_det.registry import STRATEGIES


def foreground_discrepancy(y1: Tensor, y2: Tensor) -> Tensor:
    """``m * |y1_c - y2_c| * -1/2 (y1_c log y1_c + y2_c log y2_c)`` of each class: where something
    is (m, the largest mean probability), do the classifiers disagree, and are they unsure?

    Args:
        y1: probabilities of f1 over object classes, shape (..., C).
        y2: probabilities of f2, same shape.

    Returns:
        Shape (..., C), from 0 to 1 / e.
    """
    return anchor_confidence(y1, y2)[..., None] * (y1 - y2).abs() * class_entropy((y1, y2))


@STRATEGIES.register_module()
class ForegroundDiscrepancy(ClassBalancedEntropy):
    """The classes take turns, as in
    :class:`~ads_det.active.strategies.class_balanced_entropy.ClassBalancedEntropy`, and each
    chooses by :func:`foreground_discrepancy`.

    It is meant for a model whose discrepancy phase was played on the foreground
    (``normalization='foreground'`` of ADS), or whose heads differ in what they were trained on.

    Args:
        topk: see there.
        reduction: see there.
        background: whether the last class is the background, which has no turn: that of a
            softmax detector.

    Raises:
        ValueError: if an argument has no meaning.
    """

    min_members = 2

    def __init__(
        self, topk: int | float = 20, reduction: str = "mean", background: bool = False
    ) -> None:
        super().__init__(topk, reduction)
        if not isinstance(background, bool):
            raise ValueError(f"background is {background!r}; use True or False")
        self.background = background

    def measure(self, outputs: Outputs) -> Tensor:
        """One value for each class, shape (N, C)."""
        y1, y2 = (y[..., :-1] if self.background else y for y in outputs.members[:2])
        return self.by_class(foreground_discrepancy(y1, y2))
