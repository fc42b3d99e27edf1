"""Images whose mean prediction is uncertain."""

from __future__ import annotations

from torch import Tensor

from ads_det.active.strategies.members import EntropyComparison
from ads_det.core.disagreement import total_entropy
from ads_det.registry import STRATEGIES


@STRATEGIES.register_module()
class MeanPredictionEntropy(EntropyComparison):
    """Largest ``H(mean p)`` first (Gal et al., ICML 2017), see :class:`EntropyComparison`.
    ads_det.Entropy takes the mean of the members' entropies instead, as the paper does."""

    def terms(self, y: Tensor) -> tuple[Tensor, ...]:
        return (y,)

    def value(self, *means: Tensor) -> Tensor:
        return total_entropy(means[0], self.binary)
