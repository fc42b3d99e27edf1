"""What becomes of memory that is freed."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

# of glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_OWN_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
_LARGEST_KEPT = 32 * 2**20  # bytes; the most that glibc allows


def keep_freed_memory() -> bool:
    """Let glibc keep freed blocks of up to 32 MiB for the next step of a training instead of giving
    them back to the system, which hands each page out again filled with zeros.

    Returns:
        Whether it does; not in other C libraries, nor where the environment has settings of its
        own.
    """
    if any(name in os.environ for name in _OWN_SETTINGS):
        return False
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT) and mallopt(_TRIM_THRESHOLD, 2**31 - 1))
    return False
