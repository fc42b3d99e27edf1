"""Processes that end with the one that started them, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

PARENT = "ADS_DET_PARENT"  # environment: the process to end with
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h
_POLL = 1.0  # seconds


def end_with_parent() -> None:
    """End this process at once when the one that ``ADS_DET_PARENT`` names has ended.

    On Linux the kernel sees to it. A thread that looks once a second serves other systems, and a
    parent that ended before the kernel was asked. Children of this process are not concerned.
    """
    parent = os.environ.pop(PARENT, "")
    if not parent.isdecimal():
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    _end_without(int(parent))
    threading.Thread(target=_watch, args=(int(parent),), daemon=True).start()


def _end_without(parent: int) -> None:
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)


def _watch(parent: int) -> None:
    while True:
        time.sleep(_POLL)
        _end_without(parent)
