"""The interface of a strategy."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from ads_det.active.fit_stage import FitStage
from ads_det.core.outputs import MEMBERS, Outputs
from ads_det.core.ranking import as_scores, rank


@dataclass(frozen=True)
class Candidates:
    """What may be chosen.

    Args:
        ids: names of the candidate images.
        values: what the strategy measured of each: shape (N,) or (N, K), or a list of N items;
            None for a strategy that measures nothing.
        generator: the only source of randomness.
        features: pooled features of the candidates, shape (N, D), for a strategy that needs
            them.
        labeled_features: those of the labelled images, shape (M, D), likewise.
    """

    ids: list[str]
    values: Any
    generator: np.random.Generator
    features: np.ndarray | None = None
    labeled_features: np.ndarray | None = None


class Accumulator(Protocol):
    """Takes the outputs of a batch pass by pass, so that not all of them are in memory at once."""

    def add(self, outputs: Outputs) -> None:
        """One pass of one model: K members that belong to it."""

    def result(self) -> Tensor | list[Any]:
        """One value an image, as :meth:`Strategy.measure` gives it."""


class Gathered:
    """The accumulator of a strategy that measures all members at once.

    Args:
        measure: Maps outputs with the members of all passes and models to values.
    """

    def __init__(self, measure: Callable[[Outputs], Tensor | list[Any]]) -> None:
        self._measure = measure
        self._outputs: Outputs | None = None

    def add(self, outputs: Outputs) -> None:
        before = self._outputs.members if self._outputs is not None else ()
        first = self._outputs or outputs
        self._outputs = first._replace(members=(*before, *outputs.members))

    def result(self) -> Tensor | list[Any]:
        assert self._outputs is not None
        return self._measure(self._outputs)


class Strategy(ABC):
    """Decides which images to label next; holds arguments and, after :meth:`fit`, what it learnt.

    A strategy says what it needs and measures it; see docs/extending.md.
    """

    # names of what it reads in Outputs; without any, no image is looked at
    needs: frozenset[str] = frozenset({MEMBERS})
    min_members: int = 1  # over classifiers, models and passes
    passes: int = 1  # over the classifiers, with dropout; features are computed once
    fits: bool = False  # whether :meth:`fit` is called
    classes_take_turns: bool = False  # in choosing, so that picks are not in the order of scores

    def measure(self, outputs: Outputs) -> Tensor | list[Any]:
        """One value an image of a batch, shape (N,), several, shape (N, K), or a list of N
        items."""
        raise TypeError(f"{type(self).__name__} measures nothing")

    def accumulator(self) -> Accumulator:
        """What takes the outputs of a batch; by default :meth:`measure` gets all members."""
        return Gathered(self.measure)

    @property
    def measures(self) -> bool:
        """Whether it has a value for each image."""
        kind = type(self)
        return kind.measure is not Strategy.measure or kind.accumulator is not Strategy.accumulator

    def fit(self, stage: FitStage) -> dict[str, Any]:
        """Learn something before the candidates are scored, such as a discriminator.

        It is called once a cycle, by all processes, with the same random state.

        Args:
            stage: loaders of the images, the trained model, the seed.

        Returns:
            Tensors and plain data from which :meth:`load_fitted` restores it.
        """
        raise TypeError(f"{type(self).__name__} fits nothing")

    def load_fitted(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`fit` returned."""
        raise TypeError(f"{type(self).__name__} fits nothing")

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
            ValueError: if there are fewer candidates than ``budget``, a utility is not finite, or
                :meth:`choose` gives a position that is none.
        """
        if budget > len(candidates.ids):
            raise ValueError(f"{budget} images asked of {len(candidates.ids)} candidates")
        ids = tuple(candidates.ids)  # the list is the strategy's own, which it may sort
        utilities = self.utilities(replace(candidates, ids=list(ids)))
        order = rank(ids, utilities)
        answer = self.choose(replace(candidates, ids=list(ids)), order, budget)
        wanted = "return entries of `order`, such as order[:budget]"
        if not isinstance(answer, Iterable):
            raise ValueError(f"`choose` returned {answer!r}; {wanted}")
        positions = list(answer)
        try:
            chosen = [operator.index(i) for i in positions]
        except TypeError as error:
            raise ValueError(f"`choose` gave no whole numbers ({error}); {wanted}") from error
        if strange := [i for i in chosen if not 0 <= i < len(order)]:
            raise ValueError(f"it chose the position {strange[0]} of {len(order)} candidates")
        return [ids[i] for i in chosen], utilities

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
        return as_scores(candidates.ids, candidates.values)
