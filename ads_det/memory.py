"""What becomes of memory that is freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress

# of glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_KEPT = 32 * 2**20  # bytes; the most that glibc allows


def keep_freed_memory() -> bool:
    """Let glibc keep freed blocks of up to 32 MiB for the next step of a training instead of giving
    them back to the system, which hands each page out again filled with zeros.

    Returns:
        Whether the C library has such settings; others are left as they are.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT) and mallopt(_TRIM_THRESHOLD, 2**31 - 1))
    return False
