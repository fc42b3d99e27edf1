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
from ads_det.data.pool_dataset import MAX_NAMED, and_more
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

    def write(self, folder: Path) -> None:
        """Write ``scores.csv`` (all candidates, best first), ``unreadable.txt`` and then
        ``picks.txt``."""
        order = rank(self.ids, self.scores.tolist())
        rows = [(self.ids[i], repr(float(self.scores[i]))) for i in order]
        write_csv(folder / "scores.csv", ("id", "score"), rows)
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
    choose = _choose_measured
    if not (strategy.needs_values or strategy.needs_features):
        choose = _choose_unmeasured
    try:
        selection = choose(cfg, candidates, labeled, strategy, budget, seed, load_model)
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
    cfg: Config,
    candidates: Path,
    labeled: Path | None,
    strategy: Strategy,
    budget: int,
    seed: int,
    load_model: Callable[[], nn.Module],
) -> Selection:
    """No forward pass reads the images, so those chosen are read here."""
    ids, unreadable = read_ids(candidates), set[str]()
    images = candidate_dataset(cfg)
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
    cfg: Config,
    candidates: Path,
    labeled: Path | None,
    strategy: Strategy,
    budget: int,
    seed: int,
    load_model: Callable[[], nn.Module],
) -> Selection:
    model = load_model()
    measured = measure_images(
        model,
        candidate_loader(cfg, candidates),
        strategy.measure if strategy.needs_values else None,
        strategy.needs_features,
    )
    labeled_features = None
    if strategy.needs_features:
        assert measured.features is not None
        labeled_features = np.empty((0, measured.features.shape[1]), np.float32)
        if labeled is not None and read_ids(labeled):
            loader = candidate_loader(cfg, labeled)
            labeled_features = measure_images(model, loader, None, features=True).features
    choice = Candidates(
        measured.ids,
        measured.values,
        np.random.default_rng(seed),
        measured.features,
        labeled_features,
    )
    picks, scores = strategy.query(choice, min(budget, len(measured.ids)))
    return Selection(measured.ids, scores, picks, measured.unreadable)
