"""Where a run stands, and whether anything would be lost if it began anew."""

from __future__ import annotations

import shutil

from ads_det.errors import ADSError
from ads_det.files import read_table
from ads_det.work_files import COPIED, CycleFiles, RunFiles


def finished_cycles(files: RunFiles) -> int:
    """Cycles whose evaluation is written."""
    return sum(cycle.metrics_file.exists() for cycle in files.cycles().values())


def has_trained(files: RunFiles) -> bool:
    """Whether a training, or a part that it can go on from, is there, or was, as the state says."""
    try:
        images = read_table(files.pool, images=lambda value: isinstance(value, dict))["images"]
    except ADSError:  # who knows what it said
        return True
    if any(since not in (-2, -1, 0) for since in images.values()):
        return True
    own = [c for c in files.cycles().values() if not (c.folder / COPIED).exists()]
    return any(c.metrics_file.exists() or c.has_weights() for c in own)


def discard_start(files: RunFiles) -> None:
    """Delete what a run wrote that has trained nothing; its folder must be locked.

    The state goes first: from then on there is no run. What a comparison has put there stays.
    """
    files.pool.unlink(missing_ok=True)
    for cycle in files.cycles().values():
        if not (cycle.folder / COPIED).exists():
            shutil.rmtree(cycle.folder)
    shutil.rmtree(files.initial.folder, ignore_errors=True)


def next_stage(cycle: CycleFiles) -> str:
    """What comes next in a cycle that is not selected from yet."""
    if cycle.metrics_file.exists():
        return "the selection"
    return "the evaluation" if cycle.found_models() else "the training"


def standing(files: RunFiles, cycles: int) -> str:
    """From where a run goes on, in one sentence.

    Args:
        files: Files of the run.
        cycles: Total number of cycles.
    """
    done = finished_cycles(files)
    if done >= cycles:
        return f"The run in {files.path} is finished: all {cycles} cycles are there."
    last = files.cycle(done - 1)
    is_selected = done == 0 or last.picks_list.exists()
    number = done if is_selected else done - 1
    return (
        f"The run in {files.path} goes on: {done} of {cycles} cycles finished, now "
        f"{next_stage(files.cycle(number))} of cycle {number + 1}."
    )
