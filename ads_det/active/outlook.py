"""How long the rest of a cycle and of a run may take, for the progress of a training."""

from __future__ import annotations

from typing import Any

from ads_det.active.settings import Settings
from ads_det.work_files import RunFiles

_TRAINING = ("train", "lists")


def outlook(settings: Settings, run: RunFiles, number: int, labeled: int) -> dict[str, Any]:
    """Arguments of :class:`~ads_det.engine.hooks.ProgressHook` for the training of a cycle.

    What comes after the training is taken to last as in the cycle before; in the first cycle it is
    not known and counts nothing. A training is taken to last in proportion to its labelled images.

    Args:
        settings: of the run.
        run: files of the run.
        number: of the cycle, from 0.
        labeled: images that it trains on.
    """
    seconds = run.cycle(number - 1).seconds() if number else {}
    rest = sum(value for stage, value in seconds.items() if stage not in _TRAINING)
    known: dict[str, Any] = dict(rest=rest) if number else {}
    if settings.oracle == "human":  # nobody knows when labels come
        return known
    cycles = range(1, settings.cycles - number)
    later = sum((labeled + settings.budget * i) / max(labeled, 1) for i in cycles)
    return known | dict(later=later, later_rest=rest * len(cycles))
