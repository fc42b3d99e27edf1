"""The history of a run as its settings ask for it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from ads_det.active.settings import Settings
from ads_det.report.history import History
from ads_det.work_files import CycleFiles, RunFiles


def history_of(
    settings: Settings, files: RunFiles, images: int, cycles: Iterable[CycleFiles] = ()
) -> History:
    """The history of the finished cycles.

    Args:
        settings: the run's active-learning block.
        files: files of the run.
        images: Number of images of its pool.
        cycles: in order; the first without an evaluation ends the history.

    Raises:
        ADSError: if a result is not as a cycle wrote it.
    """
    history = History(files, settings.metric, settings.budget, settings.min_gain, images)
    for cycle in takewhile(lambda cycle: cycle.metrics_file.exists(), cycles):
        history.add(cycle.result())
    return history


def rewrite(history: History) -> None:
    """Let the files of a history say what it says; without a row there are none."""
    if history.rows:
        history.write()
        return
    for path in (history.files.history, history.files.history_table, history.files.curve):
        path.unlink(missing_ok=True)
