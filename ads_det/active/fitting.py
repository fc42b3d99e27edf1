"""The stage in which a strategy learns something, and what it leaves on disk."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from ads_det.active.fit_stage import FitStage
from ads_det.active.strategies import Strategy
from ads_det.distributed import on_main
from ads_det.engine.checkpoints import read_checkpoint
from ads_det.engine.seeding import seed_everything
from ads_det.errors import ADSError
from ads_det.files import write_atomic


def fit_strategy(strategy: Strategy, stage: FitStage, path: Path) -> None:
    """Let a strategy learn, and write what it learnt atomically: the end of the stage.

    Raises:
        ADSError: if it cannot be written.
    """
    seed_everything(stage.seed, by_rank=False)
    state = strategy.fit(stage)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    on_main(lambda: write_atomic(path, lambda file: file.write(buffer.getvalue())))


def load_fitted(strategy: Strategy, path: Path) -> None:
    """Restore what a strategy learnt.

    Raises:
        ADSError: if the file is damaged, or not of this strategy.
    """
    state: Any = read_checkpoint(path)
    try:
        strategy.load_fitted(state)
    except (KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise ADSError(
            f"{path} is not what {type(strategy).__name__} learnt ({error}); delete it and run "
            "again with --resume, which makes it anew."
        ) from error
