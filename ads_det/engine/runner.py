"""mmengine's Runner for one cycle of many in a process."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import IO, Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader, get_state_dict, load_state_dict

from ads_det.engine.phases import unwrap
from ads_det.errors import ADSError


class CycleRunner(Runner):
    """A Runner whose log goes to its file, and to the console only from ERROR on.

    Ten cycles would otherwise print the environment and the config ten times. What a user
    should know is said with :func:`ads_det.console.say`.
    """

    def build_model(self, model: Any) -> torch.nn.Module:
        # measured on a CPU: a training step of a small SSD takes three quarters of the time
        return super().build_model(model).to(memory_format=torch.channels_last)

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.setLevel(max(handler.level, logging.ERROR))
        return logger


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
    try:
        checkpoint = CheckpointLoader.load_checkpoint(str(path), map_location="cpu")
    except FileNotFoundError as error:
        raise ADSError(f"The checkpoint {path} does not exist.") from error
    except Exception as error:
        raise ADSError(f"The checkpoint {path} cannot be read ({error}).") from error
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
