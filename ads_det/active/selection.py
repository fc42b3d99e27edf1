"""From a model and a list of candidates to the images to label next."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from torch import nn

from ads_det.active.scoring import measure_images
from ads_det.active.strategies import Candidates, Strategy
from ads_det.console import say
from ads_det.core.outputs import FEATURES
from ads_det.core.ranking import as_scores, rank
from ads_det.data.notes import MAX_NAMED, and_more
from ads_det.data.pool_dataset import PoolDataset
from ads_det.distributed import from_main
from ads_det.engine.config_keys import short
from ads_det.engine.datasets import candidate_dataset, candidate_loader
from ads_det.engine.seeding import derive_seed
from ads_det.errors import ADSError
from ads_det.files import read_ids, write_ids
from ads_det.garbage import uncollected
from ads_det.scores import write_scores
from ads_det.work_files import SelectionFiles


@dataclass(frozen=True)
class Selection:
    """Candidates with their scores, the chosen among them, best first, and the images that could
    not be read."""

    ids: list[str]
    scores: np.ndarray
    picks: list[str]
    unreadable: list[str]

    def write_scores(self, files: SelectionFiles) -> None:
        """Write the scores of all candidates."""
        order = rank(self.ids, self.scores)
        write_scores(files.scores_table, files.scores_array, self.ids, self.scores, order)

    def write(self, files: SelectionFiles) -> None:
        """Write scores, unreadable images and then the picks."""
        self.write_scores(files)
        write_ids(files.unreadable_list, self.unreadable)
        write_ids(files.picks_list, self.picks)


def select_images(
    cfg: Config,
    candidates: Path,
    labeled: Path | None,
    strategy: Strategy,
    budget: int,
    seed: int,
    load_models: Callable[[], Sequence[nn.Module]],
) -> Selection:
    """Measure the candidates, if the strategy wants it, and let it choose.

    Args:
        cfg: the run's config.
        candidates: list of the ids that may be chosen.
        labeled: list of the labelled ids, from which a strategy may want to keep away.
        strategy: decides; what it has to learn it has learnt.
        budget: how many to choose.
        seed: seed of the strategy's random generator and of its passes with dropout.
        load_models: called only if the strategy needs models: those of the cycle.

    Returns:
        The same selection on every process.

    Raises:
        ADSError: if there are fewer candidates than ``budget``, a score is not finite, or the
            strategy chose others than so many different candidates.
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
        if strategy.needs:
            loaders = [candidate_loader(cfg, candidates)]
            if FEATURES in strategy.needs and labeled is not None and read_ids(labeled):
                loaders.append(candidate_loader(cfg, labeled))
            selection = _choose_measured(load_models(), loaders, strategy, budget, seed)
        else:
            selection = _choose_unmeasured(candidate_dataset(cfg), ids, strategy, budget, seed)
    except ValueError as error:
        raise ADSError(
            f"The images of {candidates} cannot be ranked by the strategy "
            f"{type(strategy).__name__}: {error}."
        ) from error
    # all processes computed the same; the main one's word counts
    computed = selection
    selection = dataclasses.replace(computed, picks=from_main(lambda: computed.picks))
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
        picks, scores = _query(strategy, choice, min(budget, len(readable)))
        refused = from_main(functools.partial(images.unreadable_images, picks))
        if not refused:
            return Selection(readable, scores, picks, sorted(unreadable))
        unreadable.update(refused)


def _choose_measured(
    models: Sequence[nn.Module], loaders: list[dict], strategy: Strategy, budget: int, seed: int
) -> Selection:
    """One forward pass over the candidates and, where the strategy wants their features, one over
    the labelled images (the second loader, if there are any)."""
    one_pass = strategy.passes == 1
    seeds = [None if one_pass else derive_seed(seed, "pass", t) for t in range(strategy.passes)]
    accumulator = strategy.accumulator if strategy.measures else None
    measured = measure_images(
        models, loaders[0], strategy.needs, accumulator, seeds, strategy.min_members
    )
    labeled_features = None
    if measured.features is not None:
        labeled_features = measured.features[:0]
        for loader in loaders[1:]:
            found = measure_images(models[:1], loader, frozenset({FEATURES}))
            labeled_features = found.features
    generator = np.random.default_rng(seed)
    choice = Candidates(
        measured.ids, measured.values, generator, measured.features, labeled_features
    )
    picks, scores = _query(strategy, choice, min(budget, len(measured.ids)))
    return Selection(measured.ids, scores, picks, measured.unreadable)


def _query(strategy: Strategy, choice: Candidates, budget: int) -> tuple[list[str], np.ndarray]:
    """What the strategy answers, which may be anybody's, if it is an answer.

    Raises:
        ValueError: otherwise.
    """
    # its own list of ids, which it may sort
    own = dataclasses.replace(choice, ids=list(choice.ids))
    answer: Any = strategy.query(own, budget)
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise ValueError(f"`query` returned {short(answer)}; return the chosen ids and the scores")
    picks, scores = answer
    if isinstance(picks, (str, bytes, Set, Mapping)) or not isinstance(picks, Iterable):
        raise ValueError(f"`query` chose {short(picks)}; return a list of ids, the best first")
    picks = list(picks)
    known = {name for name in picks if isinstance(name, str)}.intersection(choice.ids)
    if not len(known) == len(picks) == budget:
        raise ValueError(
            f"it chose {len(picks)} images, {len(known)} different candidates among them, where "
            f"{budget} were asked for"
        )
    return picks, as_scores(choice.ids, scores)


@uncollected()
def read_selection(files: SelectionFiles, budget: int) -> tuple[list[str], dict[str, float]]:
    """The ids that a finished selection chose, best first, and their scores.

    Args:
        files: Files of the cycle.
        budget: images that it had to choose.

    Raises:
        ADSError: if its files are not as a selection wrote them.
    """
    picks, candidates = files.picks(), set(read_ids(files.candidates_list))
    # fewer than asked for only where images turned out unreadable
    enough = bool(files.unreadable()) or len(picks) == budget
    if not candidates.issuperset(picks) or not enough:
        raise ADSError(
            f"{files.picks_list} is not what a selection wrote ({len(picks)} ids of {budget}, each "
            f"one of {files.candidates_list.name}); delete it and run again with --resume, which "
            "selects anew."
        )
    scores = files.scores()
    if any(name not in scores for name in picks):
        raise ADSError(
            f"{files.scores_table} cannot be read as the scores of all candidates; delete it and "
            f"{files.picks_list.name}, then run again with --resume, which selects anew."
        )
    return picks, {name: scores[name] for name in picks}
