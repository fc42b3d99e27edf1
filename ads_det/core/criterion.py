"""The choices of the two unlabelled phases in one place, so that an ablation is an argument."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from ads_det.core.calibration import WEIGHTINGS, phase_weights
from ads_det.core.entropy import PAPER, EntropyRule, entropy_bound, mean_entropy
from ads_det.core.losses import agreement_loss, classifier_discrepancy, discrepancy_loss


class PhaseLoss(NamedTuple):
    """Loss of one batch and two batch means (detached) that say how the classifiers stand."""

    loss: Tensor
    entropy: Tensor
    discrepancy: Tensor


@dataclass(frozen=True)
class ADSCriterion:
    """Agreement and discrepancy losses with their weights (Eq. 2 to 8).

    Args:
        weighting: ``'calibration'``, ``'entropy'`` or ``'none'`` (Table 1).
        tau: threshold of Eq. 4 and 7.
        rule: how the entropy is computed.
        n_power: the weights are divided by n to this power. 1 is the paper; the published code
            divides by the batch size in the weight and again in a mean over the batch: 2.

    Raises:
        ValueError: if an argument has no meaning.
    """

    weighting: str = "calibration"
    tau: float = 0.1
    rule: EntropyRule = PAPER
    n_power: int = 1

    def __post_init__(self) -> None:
        if self.weighting not in WEIGHTINGS:
            raise ValueError(f"weighting is {self.weighting!r}; use one of {', '.join(WEIGHTINGS)}")
        is_number = isinstance(self.tau, (int, float)) and not isinstance(self.tau, bool)
        if not is_number or not math.isfinite(self.tau):
            raise ValueError(f"tau is {self.tau!r}; use a number such as 0.1")
        if isinstance(self.n_power, bool) or self.n_power not in (1, 2):
            raise ValueError(f"n_power is {self.n_power!r}; use 1 (the paper) or 2")

    def agreement(self, y1: Tensor, y2: Tensor, n: float | None = None) -> PhaseLoss:
        """Eq. 5 on a batch of unlabelled samples.

        Args:
            y1: probabilities of f1, shape (N, ..., C).
            y2: probabilities of f2, same shape.
            n: number of samples by which the weights are divided; N unless given (a
                distributed batch divides by its share of the global number).
        """
        entropy = mean_entropy((y1, y2), self.rule)
        weight, _ = self._weights(entropy, y1, n)
        return self._phase(agreement_loss(y1, y2, weight), entropy, y1, y2)

    def discrepancy(self, y1: Tensor, y2: Tensor, n: float | None = None) -> PhaseLoss:
        """The unlabelled term of Eq. 8; arguments as in :meth:`agreement`."""
        entropy = mean_entropy((y1, y2), self.rule)
        _, weight = self._weights(entropy, y1, n)
        return self._phase(discrepancy_loss(y1, y2, weight), entropy, y1, y2)

    def _weights(self, entropy: Tensor, y: Tensor, n: float | None) -> tuple[Tensor, Tensor]:
        n = float(len(y)) if n is None else n
        n = n or 1.0  # a batch from which every image was filtered has an empty sum, not a 0 / 0
        bound = entropy_bound(y.shape[-1], self.rule)
        return phase_weights(entropy.detach(), n**self.n_power, bound, self.weighting, self.tau)

    @staticmethod
    def _phase(loss: Tensor, entropy: Tensor, y1: Tensor, y2: Tensor) -> PhaseLoss:
        return PhaseLoss(
            loss, entropy.detach().mean(), classifier_discrepancy(y1, y2).detach().mean()
        )
