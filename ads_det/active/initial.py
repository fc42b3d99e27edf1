"""The images that are labelled before the first cycle."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable

import numpy as np
from mmengine.config import Config
from mmengine.dist import is_main_process
from torch import nn

from ads_det.active.fit_stage import FitStage
from ads_det.active.fitting import fit_strategy, load_fitted
from ads_det.active.pool import Pool
from ads_det.active.selection import select_images
from ads_det.active.settings import Settings
from ads_det.distributed import on_main
from ads_det.engine.seeding import derive_seed
from ads_det.engine.training import evaluation_runner
from ads_det.errors import ADSError
from ads_det.files import read_ids, write_ids
from ads_det.work_files import SelectionFiles


def draw_initial(pool: Pool, number: int, seed: int) -> list[str]:
    """Random readable images of the pool.

    Args:
        pool: nothing of it labelled.
        number: how many.
        seed: run seed.
    """
    generator = np.random.default_rng(derive_seed(seed, "initial"))
    drawn = [pool.ids[i] for i in generator.choice(len(pool), number, replace=False)]
    left_out = set(pool.left_out())
    if not left_out.isdisjoint(drawn):  # one that cannot be read changes no other
        drawn += [pool.ids[i] for i in generator.permutation(len(pool))]
    return [name for name in dict.fromkeys(drawn) if name not in left_out][:number]


def number_of_initial(settings: Settings) -> int:
    """How many images a simulated run begins with.

    Raises:
        ADSError: if the list of them is empty.
    """
    if not isinstance(settings.initial, str):
        return settings.initial
    number = len(read_ids(settings.initial))
    if not number:
        raise ADSError(
            f"The list {settings.initial} of active_learning.initial is empty; name the images to "
            "begin with, one a line."
        )
    return number


def choose_readable(
    pool: Pool, choose: Callable[[], list[str]], unreadable: Callable[[list[str]], list[str]]
) -> list[str]:
    """The first images of a pool too large to read all of it first: those chosen are read, and
    chosen anew without those that cannot be, which the pool leaves out."""
    while True:
        ids = choose()
        refused = set(unreadable(ids)).difference(pool.left_out())
        if not refused:  # or all are known: a list that names them is refused where it is used
            return ids
        pool.leave_out(refused)


def choose_initial(
    cfg: Config, settings: Settings, pool: Pool, seed: int, files: SelectionFiles
) -> tuple[list[str], list[str]]:
    """The first images as the config wants them.

    Args:
        cfg: the run's config.
        settings: its active-learning block.
        pool: nothing of it labelled.
        seed: run seed.
        files: files of the initial batch; receive the scores of an ``initial_strategy``.

    Returns:
        Ids of the images to label, and of those that a strategy could not read.

    Raises:
        ADSError: if a list cannot be read or the pool is too small.
    """
    if isinstance(settings.initial, str):
        return read_ids(settings.initial), []
    settings.check_pool(len(pool.unlabeled()), settings.initial)
    if settings.initial_strategy is None:
        return draw_initial(pool, settings.initial, seed), []

    def write_candidates() -> None:
        files.folder.mkdir(parents=True, exist_ok=True)
        write_ids(files.candidates_list, pool.unlabeled())

    on_main(write_candidates)
    model_cfg = Config(copy.deepcopy(cfg.to_dict()), format_python_code=False)
    model_cfg.randomness = dict(model_cfg.get("randomness", {}), seed=derive_seed(seed, 0))

    @functools.cache
    def load_models() -> list[nn.Module]:
        return [evaluation_runner(model_cfg, None, files.folder).model]

    strategy = settings.build_strategy("initial_strategy")
    seed = derive_seed(seed, "initial")
    if strategy.fits:
        stage = FitStage(cfg, None, files.candidates_list, seed, load_models)
        fit_strategy(strategy, stage, files.fitted)
        load_models.cache_clear()  # what it did to the models does not reach the scores
        load_fitted(strategy, files.fitted)
    selection = select_images(
        cfg, files.candidates_list, None, strategy, settings.initial, seed, load_models
    )
    if is_main_process():
        selection.write_scores(files)
    return selection.picks, selection.unreadable
