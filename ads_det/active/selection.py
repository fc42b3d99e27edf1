"""From a model and a list of candidates to the images to label next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import broadcast_object_list
from torch import nn

from ads_det.active.scoring import measure_images
from ads_det.active.strategies import Candidates, Strategy
from ads_det.console import say
from ads_det.core.ranking import rank
from ads_det.data.pool_dataset import MAX_NAMED, PoolDataset, and_more
from ads_det.engine.training import candidate_dataset, candidate_loader
from ads_det.errors import ADSError
from ads_det.files import read_ids, write_csv, write_ids


@dataclass(frozen=True)
class Selection:
    """Candidates with their scores, the chosen among them, best first, and the images that could
    not be read."""

    ids: list[str]
    scores: np.ndarray
    picks: list[str]
    unreadable: list[str]

    def write_scores(self, folder: Path) -> None:
        """Write ``scores.csv`` (all candidates, best first)."""
        order = rank(self.ids, self.scores.tolist())
        rows = [(self.ids[i], repr(float(self.scores[i]))) for i in order]
        write_csv(folder / "scores.csv", ("id", "score"), rows)

    def write(self, folder: Path) -> None:
        """Write ``scores.csv``, ``unreadable.txt`` and then ``picks.txt``."""
        self.write_scores(folder)
        write_ids(folder / "unreadable.txt", self.unreadable)
        write_ids(folder / "picks.txt", self.picks)


def select_images(
    cfg: Config,
    candidates: Path,
    labeled: Path | None,
    strategy: Strategy,
    budget: int,
    seed: int,
    load_model: Callable[[], nn.Module],
) -> Selection:
    """Measure the candidates, if the strategy wants it, and let it choose.

    Args:
        cfg: the run's config.
        candidates: list of the ids that may be chosen.
        labeled: list of the labelled ids, from which a strategy may want to keep away.
        strategy: decides.
        budget: how many to choose.
        seed: of the strategy's random generator.
        load_model: called only if the strategy needs a model.

    Returns:
        The same selection on every process.

    Raises:
        ADSError: if there are fewer candidates than ``budget``, or a score is not finite.
    """
    ids = read_ids(candidates)
    if len(ids) < budget:
        raise ADSError(
            f"{candidates} lists {len(ids)} candidates, fewer than the {budget} images asked for; "
            "ask for fewer, or raise active_learning.subset if it is set."
        )
    if not ids:  # unreadable images used the pool up before its time
        return Selection([], np.empty(0), [], [])
    try:
        if strategy.needs_values or strategy.needs_features:
            loaders = [candidate_loader(cfg, candidates)]
            if strategy.needs_features and labeled is not None and read_ids(labeled):
                loaders.append(candidate_loader(cfg, labeled))
            selection = _choose_measured(load_model(), loaders, strategy, budget, seed)
        else:
            selection = _choose_unmeasured(candidate_dataset(cfg), ids, strategy, budget, seed)
    except ValueError as error:
        raise ADSError(f"The images of {candidates} cannot be ranked: {error}.") from error
    # all processes computed the same; the main one's word counts
    shared = [selection]
    broadcast_object_list(shared, src=0)
    selection = shared[0]
    if selection.unreadable:
        named = ", ".join(selection.unreadable[:MAX_NAMED])
        named += and_more(len(selection.unreadable) - MAX_NAMED)
        say(f"Left out {len(selection.unreadable)} image(s) that cannot be read: {named}")
    return selection


def _choose_unmeasured(
    images: PoolDataset, ids: list[str], strategy: Strategy, budget: int, seed: int
) -> Selection:
    """No forward pass reads the images, so those chosen are read here."""
    unreadable: set[str] = set()
    while True:
        readable = [name for name in ids if name not in unreadable]
        choice = Candidates(readable, None, np.random.default_rng(seed))
        picks, scores = strategy.query(choice, min(budget, len(readable)))
        found: list[Any] = [images.unreadable_images(picks)]
        broadcast_object_list(found, src=0)
        if not found[0]:
            return Selection(readable, scores, picks, sorted(unreadable))
        unreadable.update(found[0])


def _choose_measured(
    model: nn.Module, loaders: list[dict], strategy: Strategy, budget: int, seed: int
) -> Selection:
    """One forward pass over the candidates and, where the strategy wants their features, one over
    the labelled images (the second loader, if there are any)."""
    measure = strategy.measure if strategy.needs_values else None
    measured = measure_images(model, loaders[0], measure, strategy.needs_features)
    labeled_features = None
    if measured.features is not None:
        labeled_features = measured.features[:0]
        for loader in loaders[1:]:
            labeled_features = measure_images(model, loader, None, features=True).features
    generator = np.random.default_rng(seed)
    choice = Candidates(
        measured.ids, measured.values, generator, measured.features, labeled_features
    )
    picks, scores = strategy.query(choice, min(budget, len(measured.ids)))
    return Selection(measured.ids, scores, picks, measured.unreadable)
