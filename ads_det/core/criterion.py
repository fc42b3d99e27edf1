"""The choices of the two unlabelled phases in one place, so that an ablation is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from ads_det.core.calibration import WEIGHTINGS, phase_weights
from ads_det.core.entropy import PAPER, EntropyRule, entropy_bound, mean_entropy
from ads_det.core.losses import (
    agreement_terms,
    classifier_discrepancy,
    discrepancy_terms,
    sum_over_batch,
)
from ads_det.core.normalization import NORMALIZATIONS, anchor_shares, normalized_sum


class PhaseLoss(NamedTuple):
    """Loss of one batch and what each sample or anchor says of the classifiers (detached).

    Args:
        loss: a scalar.
        entropies: E of Eq. 3, shape (N, ...).
        discrepancies: ``mean_c |y1 - y2|`` of Eq. 2, same shape.
    """

    loss: Tensor
    entropies: Tensor
    discrepancies: Tensor

    @property
    def entropy(self) -> Tensor:
        """Mean over the batch."""
        return self.entropies.mean()

    @property
    def discrepancy(self) -> Tensor:
        """Mean over the batch."""
        return self.discrepancies.mean()


@dataclass(frozen=True)
class ADSCriterion:
    """Agreement and discrepancy losses with their weights (Eq. 2 to 8).

    Args:
        weighting: ``'calibration'``, ``'entropy'`` or ``'none'`` (Table 1).
        tau: threshold of Eq. 4 and 7.
        rule: how the entropy is computed.
        n_power: the weights are divided by n to this power. 1 is the paper; the published code
            divides by the batch size in the weight and again in a mean over the batch: 2.
        normalization: How the sum over anchors is normalised. ``'mean'``: mean over the anchors
            of an image and mean over the classes, as the paper's equations read. The others sum
            over the classes and divide by what :mod:`~ads_det.core.normalization` says, instead of
            the n of Eq. 4 and 7: ``'foreground'`` (anchors count by their confidence) or
            ``'positives'``.
        positive_threshold: confidence of a positive anchor, for ``'positives'``.

    Raises:
        ValueError: if an argument has no meaning.
    """

    weighting: str = "calibration"
    tau: float = 0.1
    rule: EntropyRule = PAPER
    n_power: int = 1
    normalization: str = "mean"
    positive_threshold: float = 0.3

    def __post_init__(self) -> None:
        if self.weighting not in WEIGHTINGS:
            raise ValueError(f"weighting is {self.weighting!r}; use one of {', '.join(WEIGHTINGS)}")
        is_number = isinstance(self.tau, (int, float)) and not isinstance(self.tau, bool)
        if not is_number or not 0 <= self.tau <= 1e6:
            raise ValueError(f"tau is {self.tau!r}; use an entropy of 0 or more, such as 0.1")
        if isinstance(self.n_power, bool) or self.n_power not in (1, 2):
            raise ValueError(f"n_power is {self.n_power!r}; use 1 (the paper) or 2")
        if self.normalization not in NORMALIZATIONS:
            raise ValueError(
                f"normalization is {self.normalization!r}; use one of {', '.join(NORMALIZATIONS)}"
            )
        if self.normalization != "mean" and self.n_power != 1:
            raise ValueError(
                f"n_power is {self.n_power} and normalization {self.normalization!r}, which does "
                "not divide by n; use n_power=1 or normalization='mean'"
            )

    def total(self, confidence: Tensor) -> Tensor | None:
        """What the losses of a batch are divided by beside its number of images, None for
        ``'mean'``; several processes take the mean of theirs.

        Args:
            confidence: Confidence of each anchor, shape (N, ...), see
                :func:`~ads_det.core.normalization.anchor_confidence`.
        """
        if self.normalization == "mean":
            return None
        return anchor_shares(confidence, self.normalization, self.positive_threshold)[1]

    def agreement(
        self,
        y1: Tensor,
        y2: Tensor,
        n: float | None = None,
        confidence: Tensor | None = None,
        total: Tensor | None = None,
    ) -> PhaseLoss:
        """Eq. 5 on a batch of unlabelled samples.

        Args:
            y1: probabilities of f1, shape (N, ..., C).
            y2: probabilities of f2, same shape.
            n: number of samples by which the weights are divided; N unless given (a
                distributed batch divides by its share of the global number).
            confidence: Confidence of each anchor, shape (N, ...), for a normalisation other
                than ``'mean'``.
            total: :meth:`total` of all processes; that of this batch unless given.
        """
        entropy = mean_entropy((y1, y2), self.rule)
        weight, _ = self._weights(entropy, y1, n)
        terms = agreement_terms(y1, y2, weight)
        return self._phase(terms, entropy, y1, y2, confidence, total)

    def discrepancy(
        self,
        y1: Tensor,
        y2: Tensor,
        n: float | None = None,
        confidence: Tensor | None = None,
        total: Tensor | None = None,
    ) -> PhaseLoss:
        """The unlabelled term of Eq. 8; arguments as in :meth:`agreement`."""
        entropy = mean_entropy((y1, y2), self.rule)
        _, weight = self._weights(entropy, y1, n)
        terms = discrepancy_terms(y1, y2, weight)
        return self._phase(terms, entropy, y1, y2, confidence, total)

    def _weights(self, entropy: Tensor, y: Tensor, n: float | None) -> tuple[Tensor, Tensor]:
        n = float(len(y)) if n is None else n
        n = n or 1.0  # a batch from which every image was filtered has an empty sum, not a 0 / 0
        divisor = n**self.n_power if self.normalization == "mean" else 1.0
        bound = entropy_bound(y.shape[-1], self.rule)
        return phase_weights(entropy.detach(), divisor, bound, self.weighting, self.tau)

    def _phase(
        self,
        terms: Tensor,
        entropy: Tensor,
        y1: Tensor,
        y2: Tensor,
        confidence: Tensor | None,
        total: Tensor | None,
    ) -> PhaseLoss:
        if self.normalization == "mean":
            loss = sum_over_batch(terms)
        elif confidence is None:
            raise ValueError(f"normalization {self.normalization!r} needs the confidence")
        else:
            shares, own = anchor_shares(confidence, self.normalization, self.positive_threshold)
            # the terms are means over the classes: C of them are their sum
            loss = normalized_sum(y1.shape[-1] * terms, shares, own if total is None else total)
        return PhaseLoss(loss, entropy.detach(), classifier_discrepancy(y1, y2).detach())
