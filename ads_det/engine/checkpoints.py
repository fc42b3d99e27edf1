"""Weights and training states on disk: written whole, checked when read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner import runner as mmengine_runner
from mmengine.runner.checkpoint import CheckpointLoader, get_state_dict, load_state_dict

from ads_det.console import say
from ads_det.distributed import from_main
from ads_det.engine.phases import unwrap
from ads_det.errors import ADSError


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
    checkpoint = read_checkpoint(path)
    model = unwrap(model)
    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, dict) else {}
    own = model.state_dict()
    unfit = [k for k, v in own.items() if k not in state or state[k].shape != v.shape]
    if unfit:
        raise ADSError(
            f"The checkpoint {path} is of another architecture ({len(unfit)} of {len(own)} "
            f"tensors are missing or of another shape, the first is {unfit[0]}); use the config "
            "it was trained with."
        )
    bad = [k for k in own if own[k].is_floating_point() and not state[k].isfinite().all()]
    if bad:
        raise ADSError(f"The checkpoint {path} holds NaN or infinity in {bad[0]}; train again.")
    load_state_dict(model, {k: state[k] for k in own})


def read_checkpoint(path: str | Path) -> Any:
    """Content of a checkpoint, on the CPU; nothing in it is executed where torch can help it.

    Raises:
        ADSError: if the file is missing, damaged, or holds more than weights and plain data.
    """
    try:
        return _load(path)
    except FileNotFoundError as error:
        raise ADSError(f"The checkpoint {path} does not exist.") from error
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ADSError(
            f"The checkpoint {path} cannot be read ({reason}); if it is a work directory's, delete "
            "it and run again with --resume, which makes it anew."
        ) from error


def _load(path: str | Path) -> Any:
    safe_globals = getattr(mmengine_checkpoint, "get_torch_safe_globals", None)
    if safe_globals is None:  # upstream mmengine knows no list of what its checkpoints may hold
        return torch.load(path, map_location="cpu", weights_only=False)
    with torch.serialization.safe_globals(safe_globals()):
        return torch.load(path, map_location="cpu", weights_only=True)


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


def newest_checkpoint(work_dir: Path) -> Path | None:
    """The last checkpoint of a training that can be read, or None; the main process decides.

    A damaged one is passed over, and the user told so.
    """
    return from_main(lambda: _newest_readable(work_dir))


def _newest_readable(work_dir: Path) -> Path | None:
    numbered = [(int(p.stem.rpartition("_")[2]), p) for p in work_dir.glob("epoch_*.pth")]
    for _, path in sorted(numbered, reverse=True):
        try:
            read_checkpoint(path)
        except ADSError:
            say(f"The checkpoint {path} is damaged; the training goes on from the one before it.")
        else:
            return path
    return None


def check_pretrained(cfg: Config) -> None:
    """Fetch every pretrained weight file that the model names, before any work is done.

    Raises:
        ADSError: if one is not on disk and cannot be downloaded; says how to go on without.
    """
    for key, source in _pretrained(cfg.model, "model"):
        try:
            CheckpointLoader.load_checkpoint(source, map_location="cpu")
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise ADSError(
                f"The pretrained weights {source!r} ({key}) could not be loaded ({reason}); "
                "with no network, download them elsewhere and pass --cfg-options "
                f"{key}.checkpoint=/path/to/file (for VGG-16 the environment variable "
                f"ADS_DET_VGG16 does it too), or train from scratch with --cfg-options {key}=None."
            ) from error


def _pretrained(node: Any, key: str) -> list[tuple[str, str]]:
    if not isinstance(node, dict):
        return []
    found = []
    for name, value in node.items():
        is_init = name == "init_cfg" and isinstance(value, dict)
        if is_init and value.get("type") == "Pretrained" and value.get("checkpoint"):
            found.append((f"{key}.{name}", value["checkpoint"]))
        found += _pretrained(value, f"{key}.{name}")
    return found
