"""The interface of a strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ads_det.core.ranking import rank


@dataclass(frozen=True)
class Candidates:
    """What may be chosen.

    Args:
        ids: names of the candidate images.
        values: what :meth:`Strategy.measure` gave for each, shape (N,) or (N, K); None for a
            strategy that needs no values.
        generator: the only source of randomness.
        features: pooled features of the candidates, shape (N, D), for a strategy that needs
            them.
        labeled_features: those of the labelled images, shape (M, D), likewise.
    """

    ids: list[str]
    values: np.ndarray | None
    generator: np.random.Generator
    features: np.ndarray | None = None
    labeled_features: np.ndarray | None = None


class Strategy(ABC):
    """Decides which images to label next; holds arguments but no state."""

    needs_values: bool = True  # of :meth:`measure`
    needs_features: bool = False  # of the candidates and of the labelled images

    def measure(self, y1: Tensor, y2: Tensor) -> Tensor:
        """One value an image, shape (N,), or several, shape (N, K), from the two classifiers'
        probabilities of a batch, shape (N, A, C) or (N, C)."""
        raise TypeError(f"{type(self).__name__} measures nothing")

    @abstractmethod
    def utilities(self, candidates: Candidates) -> np.ndarray:
        """How much each candidate's label is wanted, shape (N,)."""

    def query(self, candidates: Candidates, budget: int) -> tuple[list[str], np.ndarray]:
        """Choose images.

        Args:
            candidates: at least ``budget`` images.
            budget: how many to choose.

        Returns:
            The chosen ids, most wanted first, equal utilities in order of their ids; and the
            utilities of all candidates, shape (N,).

        Raises:
            ValueError: if there are fewer candidates than ``budget`` or a utility is not finite.
        """
        if budget > len(candidates.ids):
            raise ValueError(f"{budget} images asked of {len(candidates.ids)} candidates")
        utilities = self.utilities(candidates)
        order = rank(candidates.ids, utilities.tolist())
        return [candidates.ids[i] for i in self.choose(candidates, order, budget)], utilities

    def choose(self, candidates: Candidates, order: list[int], budget: int) -> list[int]:
        """Positions of the images to label.

        Args:
            candidates: all.
            order: their positions from the largest utility to the smallest.
            budget: how many to choose.
        """
        return order[:budget]


class MeasuredStrategy(Strategy):
    """A strategy whose utility is what it measured."""

    def utilities(self, candidates: Candidates) -> np.ndarray:
        assert candidates.values is not None
        return candidates.values
