"""What a user sees while a run works: progress bars and a few sentences."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from mmengine.dist import is_main_process
from mmengine.logging import MMLogger, print_log
from tqdm import tqdm


def progress_bar(iterable: Iterable[Any] | None, description: str, **kwargs: Any) -> tqdm:
    """A tqdm bar that clears itself when done and stays silent in logs and on other ranks."""
    return tqdm(
        iterable,
        desc=description,
        disable=None if is_main_process() else True,
        leave=False,
        dynamic_ncols=True,
        **kwargs,
    )


def say(message: str) -> None:
    """Tell the user something: on the console of the main process, and in a Runner's log."""
    if is_main_process():
        tqdm.write(message)
    if MMLogger.get_current_instance().instance_name != "mmengine":  # that one is the console
        print_log(message, "current")


@functools.cache
def say_once(message: str) -> None:
    """:func:`say` a message the first time it comes up in this process."""
    say(message)
