"""The main process decides, all learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mmengine.dist import barrier, broadcast_object_list, is_main_process

T = TypeVar("T")


def from_main(decide: Callable[[], T]) -> T:
    """What the main process finds, on every process: the others may see less, or later.

    Args:
        decide: called by the main process alone; its answer must be picklable.
    """
    answer: list = [decide() if is_main_process() else None]
    broadcast_object_list(answer, src=0)
    return answer[0]


def on_main(work: Callable[[], object]) -> None:
    """Let the main process do something, such as write files, while the others wait for it."""
    if is_main_process():
        work()
    barrier()
