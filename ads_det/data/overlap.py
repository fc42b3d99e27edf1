"""Images that are in two data sets at once."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping

from ads_det.data.notes import and_more
from ads_det.data.pool_dataset import PoolDataset
from ads_det.errors import ADSError
from ads_det.files import open_regular

_BEGINNING = 2**14  # bytes, which nearly always tell files of the same size apart


def check_test_images(pool: PoolDataset, test: PoolDataset) -> None:
    """No image to measure on may be one to learn from.

    Raises:
        ADSError: names the first image that is in both data sets.
    """
    known, asked = pool.image_files(), test.image_files()
    shared = shared_images(known, asked)
    if not known and not asked and pool.where() == test.where():  # no files: ids tell
        names = set(pool.image_ids())
        shared = [(name, name) for name in test.image_ids() if name in names]
    if not shared:
        return
    first, second = shared[0]
    raise ADSError(
        f"The test image {second!r} of {test.where()} ({asked.get(second, second)}) is also in the "
        f"pool, as {first!r} ({known.get(first, first)}){and_more(len(shared) - 1)}; take it off "
        "one of the two lists, or set active_learning.allow_test_in_pool=True."
    )


def shared_images(first: Mapping[str, str], second: Mapping[str, str]) -> list[tuple[str, str]]:
    """Pairs of ids that are the same file, or files of the same content.

    Contents are read only of files whose size occurs on both sides, beyond their beginning only
    of those that begin alike. What cannot be read is passed over.

    Args:
        first, second: paths by id.
    """
    pairs = []
    for ours, theirs in _alike(first, second, _size):
        for some, others in _alike(ours, theirs, lambda path: _content(path, _BEGINNING)):
            for same, found in _alike(some, others, _content):
                pairs += [(next(iter(same)), name) for name in found]
    order = {name: number for number, name in enumerate(second)}
    return sorted(pairs, key=lambda pair: order[pair[1]])


def _alike(
    first: Mapping[str, str], second: Mapping[str, str], key: Callable[[str], Hashable]
) -> list[tuple[dict[str, str], dict[str, str]]]:
    """The parts of both sides that have a key in common."""
    groups: dict[Hashable, tuple[dict[str, str], dict[str, str]]]
    groups = defaultdict(lambda: ({}, {}))
    for side, paths in enumerate((first, second)):
        for name, path in paths.items():
            groups[key(path)][side][name] = path
    groups.pop(None, None)
    return [group for group in groups.values() if group[0] and group[1]]


def _size(path: str) -> int | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) and status.st_size else None


def _content(path: str, limit: int = -1) -> bytes | None:
    try:
        with open_regular(path) as file:
            return hashlib.blake2b(file.read(limit), digest_size=16).digest()
    except OSError:
        return None
