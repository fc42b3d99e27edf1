"""Weights and training states on disk: written whole, checked when read."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch
from mmengine.runner import Runner
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner import runner as mmengine_runner
from mmengine.runner.checkpoint import get_state_dict, load_state_dict
from torch.hub import load_state_dict_from_url

from ads_det.console import say
from ads_det.distributed import from_main
from ads_det.engine.phases import unwrap
from ads_det.errors import ADSError
from ads_det.files import open_regular


def write_model(runner: Runner, file: IO[bytes]) -> None:
    """Weights and what is needed to use them elsewhere, without optimiser state."""
    dataset_meta = getattr(runner.train_dataloader.dataset, "metainfo", {})
    content = dict(
        meta=dict(cfg=runner.cfg.pretty_text, seed=runner.seed, dataset_meta=dataset_meta),
        state_dict={k: v.cpu() for k, v in get_state_dict(unwrap(runner.model)).items()},
    )
    buffer = io.BytesIO()
    torch.save(content, buffer)
    file.write(buffer.getvalue())


def read_model(model: torch.nn.Module, path: str | Path) -> None:
    """Load weights for evaluation or scoring into a model, distributed or not.

    Raises:
        ADSError: if the file is missing or broken, of another architecture, or not finite.
    """
    state = weights_in(read_checkpoint(path), path)
    model = unwrap(model)
    own = model.state_dict()
    unfit = [k for k, v in own.items() if not fits(state.get(k), v)]
    if unfit:
        raise ADSError(
            f"The checkpoint {path} is of another architecture ({len(unfit)} of {len(own)} "
            f"tensors are missing or of another shape or kind, the first is {unfit[0]}); use the "
            "config it was trained with."
        )
    foreign = [k for k, v in state.items() if k not in own and isinstance(v, torch.Tensor)]
    if foreign:
        raise ADSError(
            f"The checkpoint {path} holds {len(foreign)} tensors that this model lacks, such as "
            f"{foreign[0]}: it was trained with more classifiers or parts; use the config it was "
            "trained with."
        )
    bad = [k for k in own if own[k].is_floating_point() and not state[k].isfinite().all()]
    if bad:
        raise ADSError(f"The checkpoint {path} holds NaN or infinity in {bad[0]}; train again.")
    load_state_dict(model, {k: state[k] for k in own})


def weights_in(content: Any, path: str | Path) -> dict[str, Any]:
    """The ``state_dict`` of what a checkpoint holds, or all of it.

    Raises:
        ADSError: if there are no weights in it.
    """
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not any(isinstance(v, torch.Tensor) for v in state.values()):
        raise ADSError(f"{path} holds no weights (no `state_dict` of tensors); name a checkpoint.")
    return state


def fits(given: Any, own: torch.Tensor) -> bool:
    """Whether a tensor of a checkpoint can take the place of one of the model."""
    return (
        isinstance(given, torch.Tensor)
        and given.layout == torch.strided
        and not given.is_quantized
        and given.shape == own.shape
        and given.is_floating_point() == own.is_floating_point()
        and given.is_complex() == own.is_complex()
    )


def read_checkpoint(path: str | Path) -> Any:
    """Content of a checkpoint, on the CPU; nothing in it is executed where torch can help it.

    Raises:
        ADSError: if the file is missing, damaged, or holds more than weights and plain data.
    """
    try:
        with open_regular(path) as file:
            return load_safely(file)
    except FileNotFoundError as error:
        raise ADSError(f"The checkpoint {path} does not exist.") from error
    except Exception as error:
        raise ADSError(
            f"The checkpoint {path} cannot be read ({reason_of(error, path)}); if it is a work "
            "directory's, delete it and run again with --resume, which makes it anew."
        ) from error


def reason_of(error: Exception, source: str | Path) -> str:
    """Why a file could not be read; torch would have it executed."""
    if Path(source).is_dir():
        return "it is a folder"
    if isinstance(error, EOFError):
        return "it is empty"
    if isinstance(error, pickle.UnpicklingError):
        return "torch did not write it, or it holds more than weights and plain data"
    if "zip archive" in str(error):
        return "it is cut short or damaged"
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")


def load_safely(file: Any, map_location: Any = "cpu", weights_only: Any = None) -> Any:
    with _safe_globals() as safe:
        return torch.load(file, map_location=map_location, weights_only=safe)


def _download(url: str, *args: Any, **kwargs: Any) -> Any:
    with _safe_globals() as safe:
        return load_state_dict_from_url(url, *args, **(kwargs | dict(weights_only=safe)))


@contextmanager
def _safe_globals() -> Iterator[bool]:
    """Allow what mmengine's checkpoints hold beside tensors; whether that is known."""
    known = getattr(mmengine_checkpoint, "get_torch_safe_globals", None)
    if known is None:  # upstream mmengine has no such list
        yield False
        return
    with torch.serialization.safe_globals(known()):
        yield True


# mmengine's own functions unpickle what torch refuses; all its loaders use these two
mmengine_checkpoint._safe_torch_load = load_safely
mmengine_checkpoint.load_url = _download


@contextmanager
def safe_loader() -> Iterator[None]:
    """Let mmengine's Runner read files by :func:`read_checkpoint`.

    Its own loader unpickles what torch refuses, and runs a config found in ``meta`` as Python.
    """

    def load(filename: str, map_location: Any = None, logger: Any = None) -> Any:
        checkpoint = read_checkpoint(filename)
        if isinstance(checkpoint, dict) and isinstance(checkpoint.get("meta"), dict):
            checkpoint["meta"].pop("config", None)
        return checkpoint

    original = mmengine_runner._load_checkpoint
    mmengine_runner._load_checkpoint = load
    try:
        yield
    finally:
        mmengine_runner._load_checkpoint = original


def newest_checkpoint(work_dir: Path, seed: int | None = None) -> Path | None:
    """The last checkpoint of a training that can be read, or None; the main process decides.

    One that is damaged or of another training is passed over, and the user told so.

    Args:
        work_dir: Work directory of the training.
        seed: Seed of the training, to tell it from others.
    """
    return from_main(lambda: _newest_readable(work_dir, seed))


def _newest_readable(work_dir: Path, seed: int | None) -> Path | None:
    numbers = {p: p.stem.rpartition("_")[2] for p in work_dir.glob("epoch_*.pth")}
    numbered = [(int(number), p) for p, number in numbers.items() if number.isdecimal()]
    for _, path in sorted(numbered, reverse=True):
        problem = "damaged"
        try:
            content = read_checkpoint(path)
            problem = "of another training"
            _check_state(content, path, seed)
        except ADSError:
            say(f"The checkpoint {path} is {problem}; the training goes on from the one before it.")
        else:
            return path
    return None


def _check_state(content: Any, path: Path, seed: int | None) -> None:
    weights_in(content, path)
    parts = [content.get(key) for key in ("meta", "message_hub", "optimizer")]
    whole = all(isinstance(part, dict) for part in parts)
    if not whole or (seed is not None and parts[0].get("seed") != seed):
        raise ADSError(f"{path} is no state of this training.")
