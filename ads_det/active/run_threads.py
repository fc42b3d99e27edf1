"""A run keeps the number of threads that it began with, since sums depend on it."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from ads_det.console import say
from ads_det.distributed import from_main
from ads_det.files import read_bytes, write_text, wrong_shape
from ads_det.work_files import RunFiles


def keep_threads(work_dir: Path, chosen: int | None) -> None:
    """Compute with as many threads as the run in a work directory began with, or note them.

    Args:
        work_dir: Work directory of the run.
        chosen: number that this process begins with; None if the user set it: then it holds.

    Raises:
        ADSError: if the note is damaged.
    """
    if chosen is None:
        return
    path = RunFiles(work_dir).threads

    def number() -> int:
        if not path.exists():
            write_text(path, f"{chosen}\n")
        text = read_bytes(path).decode("ascii", "replace").strip()
        if not re.fullmatch("[1-9][0-9]{0,3}", text):
            raise wrong_shape(path, "it holds no number of threads")
        return int(text)

    kept = from_main(number)
    if kept != chosen:
        text = f"{kept} thread{'s' * (kept > 1)}"
        say(f"The run began with {text} and keeps to that; OMP_NUM_THREADS overrides it.")
    torch.set_num_threads(kept)
