"""Images on whose classes the predictions disagree, each being sure."""

from __future__ import annotations

from torch import Tensor

from ads_det.active.strategies.members import EntropyComparison
from ads_det.core.disagreement import bald, total_entropy
from ads_det.registry import STRATEGIES


@STRATEGIES.register_module()
class BALD(EntropyComparison):
    """Largest ``H(mean p) - mean H(p)`` first (Gal et al., ICML 2017), see
    :func:`~ads_det.core.disagreement.bald` and :class:`EntropyComparison`."""

    def terms(self, y: Tensor) -> tuple[Tensor, ...]:
        return y, total_entropy(y, self.binary)

    def value(self, *means: Tensor) -> Tensor:
        mean, entropy = means
        return bald(mean, entropy, self.binary)
