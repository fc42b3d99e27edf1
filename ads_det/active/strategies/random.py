"""The baseline every gain is measured against."""

from __future__ import annotations

import numpy as np

from ads_det.active.strategies.base import Candidates, Strategy
from ads_det.registry import STRATEGIES


@STRATEGIES.register_module()
class Random(Strategy):
    """Uniform choice without replacement."""

    needs = frozenset()

    def utilities(self, candidates: Candidates) -> np.ndarray:
        return candidates.generator.random(len(candidates.ids))
