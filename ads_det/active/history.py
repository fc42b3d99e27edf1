"""The history of a run as its settings ask for it."""

from __future__ import annotations

from collections.abc import Iterable

from ads_det.active.settings import Settings
from ads_det.report.history import History
from ads_det.work_files import CycleFiles, RunFiles


def new_history(settings: Settings, files: RunFiles, images: int) -> History:
    """A history without a row.

    Args:
        settings: the run's active-learning block.
        files: files of the run.
        images: Number of images of its pool.
    """
    return History(files, settings.metric, settings.budget, settings.min_gain, images)


def rewrite_history(history: History, cycles: Iterable[CycleFiles]) -> None:
    """Let the files of a history say of these cycles what they say, and of no other.

    Args:
        history: without a row.
        cycles: in order; those without an evaluation have no row.

    Raises:
        ADSError: if a result is not as a cycle wrote it.
    """
    for cycle in cycles:
        if cycle.metrics_file.exists():
            history.add(cycle.result())
    if history.rows:
        history.write()
        return
    for path in (history.files.history, history.files.history_table, history.files.curve):
        path.unlink(missing_ok=True)
