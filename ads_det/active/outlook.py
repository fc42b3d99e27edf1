"""How long the rest of a cycle and of a run may take, for the progress of a training."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

from ads_det.active.settings import Settings
from ads_det.work_files import RunFiles

_TRAINING = ("train", "lists")


def outlook(
    settings: Settings,
    run: RunFiles,
    number: int,
    labeled: int,
    fixed: bool,
    members: int = 1,
) -> dict[str, Any]:
    """Arguments of :class:`~ads_det.engine.hooks.ProgressHook` for the training of a cycle.

    What comes after the training is taken to last as in the cycle before; in the first cycle it is
    not known and counts nothing. A training is taken to last as long as any other where epochs have
    a fixed length, else in proportion to its labelled images.

    Args:
        settings: Run settings.
        run: files of the run.
        number: Cycle number, from 0.
        labeled: images that it trains on.
        fixed: whether epochs are as long in all cycles.
        members: trainings of a cycle; of more than one nothing is foretold.
    """
    if members > 1:
        return {}
    seconds = run.cycle(number - 1).seconds() if number else {}
    known: dict[str, Any] = {}
    rest = sum(value for stage, value in seconds.items() if stage not in _TRAINING)
    if number:
        known["rest"] = rest
    if fixed and "train" in seconds:
        known["before"] = seconds["train"]
    if settings.oracle == "human":  # nobody knows when labels come
        return known
    cycles = range(1, settings.cycles - number)
    growth = 0.0 if fixed else settings.budget / max(labeled, 1)
    later = sum(1 + growth * i for i in cycles)
    return known | dict(later=later, later_rest=rest * len(cycles))


def has_fixed_epochs(cfg: Config) -> bool:
    """Whether an epoch is as long in all cycles: its sampler draws a number of its own."""
    sampler = cfg.train_dataloader.get("sampler") or {}
    return str(sampler.get("type", "")).rpartition(".")[2] == "FixedLengthSampler"
