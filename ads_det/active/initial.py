"""The images that are labelled before the first cycle."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.dist import barrier, is_main_process

from ads_det.active.pool import Pool
from ads_det.active.selection import select_images
from ads_det.active.settings import Settings
from ads_det.engine.seeding import derive_seed
from ads_det.engine.training import evaluation_runner
from ads_det.files import read_ids, write_ids


def draw_initial(pool: Pool, number: int, seed: int) -> list[str]:
    """Random readable images of the pool.

    Args:
        pool: nothing of it labelled.
        number: how many.
        seed: of the run.
    """
    generator = np.random.default_rng(derive_seed(seed, "initial"))
    drawn = [pool.ids[i] for i in generator.choice(len(pool), number, replace=False)]
    left_out = set(pool.left_out())
    if not left_out.isdisjoint(drawn):  # one that cannot be read changes no other
        drawn += [pool.ids[i] for i in generator.permutation(len(pool))]
    return [name for name in dict.fromkeys(drawn) if name not in left_out][:number]


def choose_initial(
    cfg: Config, settings: Settings, pool: Pool, seed: int, folder: Path
) -> tuple[list[str], list[str]]:
    """The first images as the config wants them.

    Args:
        cfg: the run's config.
        settings: its active-learning block.
        pool: nothing of it labelled.
        seed: of the run.
        folder: receives ``scores.csv`` of an ``initial_strategy``.

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
    candidates = folder / "unlabeled.txt"
    if is_main_process():
        folder.mkdir(parents=True, exist_ok=True)
        write_ids(candidates, pool.unlabeled())
    barrier()
    model_cfg = Config(copy.deepcopy(cfg.to_dict()), format_python_code=False)
    model_cfg.randomness = dict(model_cfg.get("randomness", {}), seed=derive_seed(seed, 0))
    selection = select_images(
        cfg,
        candidates,
        None,
        settings.build_strategy("initial_strategy"),
        settings.initial,
        derive_seed(seed, "initial"),
        lambda: evaluation_runner(model_cfg, None, folder).model,
    )
    if is_main_process():
        selection.write_scores(folder)
    return selection.picks, selection.unreadable
