"""One strategy a file, all with ``query(candidates, budget) -> (ids, utilities)``."""

from ads_det.active.strategies.bald import BALD
from ads_det.active.strategies.base import Accumulator, Candidates, Strategy
from ads_det.active.strategies.class_balanced_entropy import ClassBalancedEntropy
from ads_det.active.strategies.core_set import CoreSet
from ads_det.active.strategies.discrepancy import Discrepancy
from ads_det.active.strategies.diverse_entropy import DiverseADS, DiverseEntropy
from ads_det.active.strategies.entropy import Entropy
from ads_det.active.strategies.extra import Extra
from ads_det.active.strategies.foreground_discrepancy import ForegroundDiscrepancy
from ads_det.active.strategies.learned_loss import LearnedLoss
from ads_det.active.strategies.least_confident import LeastConfident
from ads_det.active.strategies.margin import Margin
from ads_det.active.strategies.mean_prediction_entropy import MeanPredictionEntropy
from ads_det.active.strategies.random import Random
from ads_det.active.strategies.sraal import SRAAL
from ads_det.active.strategies.vaal import VAAL
from ads_det.active.strategies.variation_ratio import VariationRatio

__all__ = [
    "BALD",
    "SRAAL",
    "VAAL",
    "Accumulator",
    "Candidates",
    "ClassBalancedEntropy",
    "CoreSet",
    "Discrepancy",
    "DiverseADS",
    "DiverseEntropy",
    "Entropy",
    "Extra",
    "ForegroundDiscrepancy",
    "LearnedLoss",
    "LeastConfident",
    "Margin",
    "MeanPredictionEntropy",
    "Random",
    "Strategy",
    "VariationRatio",
]
