"""Progress bars: on the main process, on a terminal only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mmengine.dist import is_main_process
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
