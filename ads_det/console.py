"""What a user sees while a run works: progress bars or lines, and a few sentences."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterable
from typing import Any

from mmengine.dist import is_main_process
from mmengine.logging import MMLogger, print_log
from tqdm import tqdm

LINE_SECONDS = 10.0  # between two lines where there is no terminal


class ProgressLines(tqdm):
    """A tqdm bar for logs and pipes: a line now and then instead of a bar that is drawn anew.

    All bars share one clock, so that many short ones make no flood and no silence either. Time left
    is at the mean rate so far, which counts whatever lies between two steps.
    """

    monitor_interval = 0  # no thread
    _last_line = time.monotonic()  # of the console, whoever wrote it

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | dict(file=_Nowhere(), mininterval=0, miniters=1))

    @classmethod
    def touch(cls) -> None:
        """Something was just said."""
        ProgressLines._last_line = time.monotonic()

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        if self.n and time.monotonic() - ProgressLines._last_line >= LINE_SECONDS:
            print(self.line(), file=sys.stdout, flush=True)
            self.touch()

    def line(self) -> str:
        """The state in one line."""
        done = f"{self.n} of {self.total}" if self.total else f"{self.n}"
        parts = [f"{self.desc.rstrip(': ')} {done}"]
        left = seconds_left(self)
        if self.postfix:
            parts.append(str(self.postfix))
        elif left is not None:
            parts.append(f"{duration(left)} left")
        return "  " + ", ".join(parts)


class _Nowhere:
    """tqdm writes here what only a terminal understands."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def seconds_left(bar: tqdm) -> float | None:
    """Of a bar, at its mean rate so far; None before the first step or without an end."""
    steps = bar.n - bar.initial
    if not bar.total or steps <= 0:
        return None
    return (time.time() - bar.start_t) / steps * max(bar.total - bar.n, 0)


def duration(seconds: float) -> str:
    """For people: ``40 s``, ``3 min``, ``2 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def progress_bar(iterable: Iterable[Any] | None, description: str, **kwargs: Any) -> tqdm:
    """A tqdm bar that clears itself when done; lines where there is no terminal, nothing on other
    ranks."""
    if is_main_process() and not _is_terminal():
        return ProgressLines(iterable, desc=description, **kwargs)
    return tqdm(
        iterable,
        desc=description,
        disable=not is_main_process(),
        leave=False,
        dynamic_ncols=True,
        **kwargs,
    )


def shows_soon(bar: tqdm) -> bool:
    """Whether its next update will be seen, so that what it says is worth finding out."""
    if bar.disable:
        return False
    if isinstance(bar, ProgressLines):
        return time.monotonic() - ProgressLines._last_line >= LINE_SECONDS
    return bool(bar._time() - bar.last_print_t >= bar.mininterval)


def _is_terminal() -> bool:
    """Whether bars, which go to the standard error stream, are seen."""
    return sys.stderr is not None and sys.stderr.isatty()


def say(message: str) -> None:
    """Tell the user something: on the console of the main process, and in a Runner's log."""
    if is_main_process():
        tqdm.write(message)
        if sys.stdout is not None:
            sys.stdout.flush()  # a pipe would keep it back
        ProgressLines.touch()
    if MMLogger.get_current_instance().instance_name != "mmengine":  # that one is the console
        print_log(message, "current")


@functools.cache
def say_once(message: str) -> None:
    """:func:`say` a message the first time it comes up in this process."""
    say(message)
