"""One strategy a file, all with ``query(candidates, budget) -> (ids, utilities)``."""

from ads_det.active.strategies.base import Candidates, Strategy
from ads_det.active.strategies.class_balanced_entropy import ClassBalancedEntropy
from ads_det.active.strategies.core_set import CoreSet
from ads_det.active.strategies.diverse_ads import DiverseADS
from ads_det.active.strategies.entropy import ADSEntropy, Entropy
from ads_det.active.strategies.least_confident import LeastConfident
from ads_det.active.strategies.margin import Margin
from ads_det.active.strategies.random import Random

__all__ = [
    "ADSEntropy",
    "Candidates",
    "ClassBalancedEntropy",
    "CoreSet",
    "DiverseADS",
    "Entropy",
    "LeastConfident",
    "Margin",
    "Random",
    "Strategy",
]
