"""One strategy a file, all with ``query(candidates, budget) -> (ids, utilities)``."""

from ads_det.active.strategies.base import Accumulator, Candidates, Strategy
from ads_det.active.strategies.class_balanced_entropy import ClassBalancedEntropy
from ads_det.active.strategies.core_set import CoreSet
from ads_det.active.strategies.diverse_entropy import DiverseADS, DiverseEntropy
from ads_det.active.strategies.entropy import Entropy
from ads_det.active.strategies.extra import Extra
from ads_det.active.strategies.foreground_discrepancy import ForegroundDiscrepancy
from ads_det.active.strategies.least_confident import LeastConfident
from ads_det.active.strategies.margin import Margin
from ads_det.active.strategies.random import Random

__all__ = [
    "Accumulator",
    "Candidates",
    "ClassBalancedEntropy",
    "CoreSet",
    "DiverseADS",
    "DiverseEntropy",
    "Entropy",
    "Extra",
    "ForegroundDiscrepancy",
    "LeastConfident",
    "Margin",
    "Random",
    "Strategy",
]
