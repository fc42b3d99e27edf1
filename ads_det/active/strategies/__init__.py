"""One strategy a file, all with ``query(candidates, budget) -> (ids, utilities)``."""

from ads_det.active.strategies.base import Candidates, Strategy
from ads_det.active.strategies.entropy import Entropy
from ads_det.active.strategies.random import Random

__all__ = ["Candidates", "Entropy", "Random", "Strategy"]
