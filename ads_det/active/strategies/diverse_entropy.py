"""Uncertain images that are not alike: ours, not the paper's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ads_det.active.strategies.base import Candidates
from ads_det.active.strategies.entropy import Entropy
from ads_det.console import say_once
from ads_det.core.k_center import k_center_greedy
from ads_det.core.outputs import FEATURES, MEMBERS
from ads_det.registry import STRATEGIES


@STRATEGIES.register_module()
class DiverseEntropy(Entropy):
    """Entropy first, then k-centre greedy among the most uncertain.

    Entropy alone selects near-copies by the dozen, since what makes one uncertain makes all of
    them so. Here the ``factor`` times ``budget`` images of the largest entropy are kept, and
    those chosen that cover them best, beginning from the labelled images.

    Args:
        factor: how many times the budget is kept; 1 is entropy alone.
        **kwargs: arguments of :class:`Entropy`.

    Raises:
        ValueError: if an argument has no meaning.
    """

    needs = frozenset({MEMBERS, FEATURES})

    def __init__(self, factor: float = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(factor, bool) or not isinstance(factor, (int, float)) or factor < 1:
            raise ValueError(f"factor is {factor!r}; use a number of 1 or more")
        self.factor = factor

    def choose(self, candidates: Candidates, order: list[int], budget: int) -> list[int]:
        assert candidates.features is not None
        kept = np.array(order[: round(min(self.factor * budget, len(order)))])
        chosen = k_center_greedy(candidates.features[kept], budget, candidates.labeled_features)
        return [int(kept[i]) for i in sorted(chosen)]  # the most uncertain first


@STRATEGIES.register_module()
class DiverseADS(DiverseEntropy):
    """The old name of :class:`DiverseEntropy`, which has nothing of the method ADS."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        say_once("The strategy ads_det.DiverseADS is now called ads_det.DiverseEntropy.")
