"""The stage in which a strategy learns something, and what it leaves on disk."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from ads_det.active.fit_stage import FitStage
from ads_det.active.strategies import Strategy
from ads_det.distributed import on_main
from ads_det.engine.checkpoints import load_safely, read_checkpoint
from ads_det.engine.config_keys import short
from ads_det.engine.seeding import seed_everything
from ads_det.errors import ADSError
from ads_det.files import write_atomic


def fit_strategy(strategy: Strategy, stage: FitStage, path: Path) -> None:
    """Let a strategy learn, and write what it learnt atomically: the end of the stage.

    Raises:
        ADSError: if it cannot be written, or is not what :func:`load_fitted` could read again.
    """
    seed_everything(stage.seed, by_rank=False)
    state = strategy.fit(stage)
    buffer = io.BytesIO()
    try:
        torch.save(state, buffer)
        load_safely(io.BytesIO(buffer.getvalue()))
    except (pickle.PickleError, AttributeError, TypeError, RuntimeError) as error:
        raise ADSError(
            f"`fit` of the strategy {type(strategy).__name__} returned {short(state)}, not made of "
            f"tensors and plain data alone ({short(str(error))}); return a dict of those."
        ) from error
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
