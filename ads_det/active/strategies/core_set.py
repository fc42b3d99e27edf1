"""Images that cover the pool."""

from __future__ import annotations

import numpy as np

from ads_det.active.strategies.base import Candidates, Strategy
from ads_det.core.k_center import distance_to_centers, k_center_greedy
from ads_det.core.outputs import FEATURES
from ads_det.registry import STRATEGIES


@STRATEGIES.register_module()
class CoreSet(Strategy):
    """k-centre greedy on pooled features, beginning from the labelled images.

    The utility of an image is its distance to the nearest labelled one; the choice looks at
    the images chosen before as well, so it is not simply the order of utilities.
    """

    needs = frozenset({FEATURES})

    def utilities(self, candidates: Candidates) -> np.ndarray:
        assert candidates.features is not None and candidates.labeled_features is not None
        if not len(candidates.labeled_features):
            return np.zeros(len(candidates.ids))
        squared = distance_to_centers(candidates.features, candidates.labeled_features)
        return np.sqrt(squared.astype(np.float64))

    def choose(self, candidates: Candidates, order: list[int], budget: int) -> list[int]:
        assert candidates.features is not None
        return k_center_greedy(candidates.features, budget, candidates.labeled_features)
