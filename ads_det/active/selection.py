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

from ads_det.active.scoring import measure_candidates
from ads_det.active.strategies import Candidates, Strategy
from ads_det.console import say
from ads_det.core.ranking import rank
from ads_det.data.pool_dataset import MAX_NAMED, and_more
from ads_det.engine.training import candidate_loader
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
        """Write ``scores.csv`` (all candidates, best first), ``unreadable.txt`` if there are
        such images, and then ``picks.txt``."""
        order = rank(self.ids, self.scores.tolist())
        rows = [(self.ids[i], repr(float(self.scores[i]))) for i in order]
        write_csv(folder / "scores.csv", ("id", "score"), rows)
        if self.unreadable:
            write_ids(folder / "unreadable.txt", self.unreadable)
        write_ids(folder / "picks.txt", self.picks)


def select_images(
    cfg: Config,
    candidates: Path,
    strategy: Strategy,
    budget: int,
    seed: int,
    load_model: Callable[[], nn.Module],
) -> Selection:
    """Measure the candidates, if the strategy wants it, and let it choose.

    Args:
        cfg: the run's config.
        candidates: list of the ids that may be chosen.
        strategy: decides.
        budget: how many to choose.
        seed: of the strategy's random generator.
        load_model: called only if the strategy needs a model.

    Returns:
        The same selection on every process.

    Raises:
        ADSError: if there are fewer candidates than ``budget``, or a score is not finite.
    """
    ids, values, unreadable = read_ids(candidates), None, list[str]()
    if len(ids) < budget:
        raise ADSError(
            f"{candidates} lists {len(ids)} candidates, fewer than the {budget} images asked for; "
            "ask for fewer, or raise active_learning.subset if it is set."
        )
    if strategy.needs_model:
        loader = candidate_loader(cfg, candidates)
        ids, values, unreadable = measure_candidates(load_model(), loader, strategy.measure)
        if unreadable:
            named = ", ".join(unreadable[:MAX_NAMED]) + and_more(len(unreadable) - MAX_NAMED)
            say(f"Left out {len(unreadable)} image(s) that cannot be read: {named}")
    try:
        picks, scores = strategy.query(
            Candidates(ids, values, np.random.default_rng(seed)), min(budget, len(ids))
        )
    except ValueError as error:
        raise ADSError(f"The images of {candidates} cannot be ranked: {error}.") from error
    shared: list[Any] = [
        picks,
        scores,
    ]  # all processes computed the same; the main one's word counts
    broadcast_object_list(shared, src=0)
    return Selection(ids, shared[1], shared[0], unreadable)
