"""Weights that a training begins with: found and checked before any work."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor

from ads_det.console import say
from ads_det.engine.checkpoints import reason_of, weights_in
from ads_det.engine.class_rows import build_bare, class_tensors, shapes_of
from ads_det.errors import ADSError


def check_architecture(known: Mapping[str, Any], given: Mapping[str, Any], path: str) -> None:
    """Refuse weights in which more is missing than the layers that grow with the classes.

    Args:
        known: tensors of the model by name, or None for those that may be missing.
        given: tensors of the checkpoint by name.
        path: Path of the checkpoint.

    Raises:
        ADSError: names the first tensor that is missing or does not fit.
    """
    # what counts batches is missing in old files, and nothing depends on it
    needed = {k: v for k, v in known.items() if v is not None and not k.endswith("_tracked")}
    unfit = [k for k, v in needed.items() if not (k in given and _same_shape(given[k], v))]
    if unfit:
        raise ADSError(
            f"The checkpoint {path} is of another architecture than `model` ({len(unfit)} of "
            f"{len(needed)} tensors are missing or of another shape, the first is {unfit[0]}); use "
            "the config it was trained with, or leave out load_from and let model.backbone."
            "init_cfg=dict(type='Pretrained', prefix='backbone.', checkpoint=...) name it."
        )


def _same_shape(given: Any, shape: torch.Size) -> bool:
    return isinstance(given, Tensor) and given.shape == shape


def weight_files(cfg: Config) -> list[Path]:
    """The files of this machine whose weights a training begins with."""
    named = [block["checkpoint"] for _, block in _pretrained(cfg.model, "model")]
    return [Path(p) for p in (*named, cfg.get("load_from")) if p and os.path.isfile(p)]


def check_load_from(cfg: Config) -> None:
    """Read the weights that ``load_from`` names, if it does.

    Raises:
        ADSError: if there are none, they are of another architecture, or not finite.
    """
    source = cfg.get("load_from")
    if source is None:
        return
    given = _weights(source, f"`load_from` names {source!r}, which", "name another checkpoint")
    given = {k.removeprefix("module."): v for k, v in given.items()}
    shapes, rows = shapes_of(cfg.model), class_tensors(cfg.model)
    check_architecture({k: None if rows[k] else v for k, v in shapes.items()}, given, source)
    bad = [k for k in shapes if k in given and not given[k].isfinite().all()]
    if bad:
        raise ADSError(f"{source} holds NaN or infinity in {bad[0]}; name another checkpoint.")


def check_pretrained(cfg: Config) -> None:
    """Fetch every pretrained weight file that the config names, before any work is done.

    Raises:
        ADSError: if one is not on disk and cannot be downloaded, or holds no weights; says how to
            go on without. Or as :func:`check_load_from`.
    """
    check_load_from(cfg)
    for key, block in _pretrained(cfg.model, "model"):
        source = block["checkpoint"]
        given = _weights(
            source,
            f"The pretrained weights {source!r} ({key})",
            "with no network, download them elsewhere and pass --cfg-options "
            f"{key}.checkpoint=/path/to/file (for VGG-16 the environment variable "
            f"ADS_DET_VGG16 does it too), or train from scratch with --cfg-options {key}=None",
        )
        _check_fit(cfg, key, block, given)


def _check_fit(cfg: Config, key: str, block: dict, given: Mapping[str, Any]) -> None:
    """Refuse weights of which less than half of a part's tensors are; say so of less than all."""
    source, prefix = block["checkpoint"], block.get("prefix")
    if prefix:
        start = prefix if prefix.endswith(".") else f"{prefix}."
        given = {k.removeprefix(start): v for k, v in given.items() if k.startswith(start)}
        if not given:
            raise ADSError(
                f"{source} has nothing that begins with {start!r}; correct {key}.prefix."
            )
    place = key.partition(".init_cfg")[0].removeprefix("model").lstrip(".")
    part = dict(build_bare(cfg.model).named_modules()).get(place)
    if getattr(type(part), "init_weights", None) is not BaseModule.init_weights:
        return  # a part of a list, or one that rewrites the names itself
    shapes = {k: v.shape for k, v in part.state_dict().items() if not k.endswith("_tracked")}
    given = {name.removeprefix("module."): value for name, value in given.items()}
    fitting = [name for name, shape in shapes.items() if _same_shape(given.get(name), shape)]
    counted = f"{len(fitting)} of {len(shapes)} tensors of {place or 'the model'}"
    if shapes and 2 * len(fitting) < len(shapes):
        first = next(name for name in shapes if name not in fitting)
        raise ADSError(
            f"The pretrained weights {source!r} ({key}) are of another architecture: they have "
            f"{counted}, the first that is missing or of another shape is {first}; name other "
            f"weights, or the `prefix` that theirs have ({', '.join(list(given)[:1])}), or train "
            f"from scratch with --cfg-options {key}=None."
        )
    if len(fitting) < len(shapes):
        say(f"{source} has {counted}; the others are drawn.")


def _weights(source: str, what: str, remedy: str) -> dict[str, Any]:
    try:
        return weights_in(CheckpointLoader.load_checkpoint(source, map_location="cpu"), source)
    except ADSError:
        raise
    except Exception as error:
        raise ADSError(
            f"{what} could not be loaded ({reason_of(error, source)}); {remedy}."
        ) from error


def _pretrained(node: Any, key: str) -> list[tuple[str, dict]]:
    """Key and block of everything that begins with the weights of a file."""
    if isinstance(node, (list, tuple)):
        return [one for i, part in enumerate(node) for one in _pretrained(part, f"{key}.{i}")]
    if not isinstance(node, dict):
        return []
    own = node.get("type") in ("Pretrained", "PretrainedInit") and node.get("checkpoint")
    return [
        *([(key, node)] if own else []),
        *(one for name, part in node.items() for one in _pretrained(part, f"{key}.{name}")),
    ]
