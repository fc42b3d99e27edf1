"""The optimisers and schedulers of a config, built on its model and tried on one number."""

from __future__ import annotations

import copy
import inspect
import math
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS, PARAM_SCHEDULERS
from torch import nn

from ads_det.console import say
from ads_det.engine.config_keys import short
from ads_det.engine.config_parts import (
    build_part,
    check_arguments,
    check_names,
    check_types,
    each_part,
    find_type,
    named,
)
from ads_det.engine.datasets import training_dataset
from ads_det.engine.dry_schedule import Schedule
from ads_det.errors import ADSError

_PARAMWISE = (  # read without a check by mmengine
    *("custom_keys", "bias_lr_mult", "bias_decay_mult", "norm_decay_mult", "flat_decay_mult"),
    *("dwconv_decay_mult", "dcn_offset_lr_mult", "bypass_duplicate"),
)
_EPOCH = 8  # batches, where their number is not known
_MOST = 200_000  # of them in all, which take a second or two


def check_optimisers(cfg: Config, model: nn.Module) -> None:
    """Build the optimisers of label training and of the phases, and the schedulers.

    Args:
        cfg: Run config; not changed.
        model: its model, which may have no memory.

    Raises:
        ADSError: names the key of what cannot be built.
    """
    wrapper = _build_wrapper(cfg.optim_wrapper, "optim_wrapper", model)
    for phase in ("agreement", "discrepancy"):
        method = cfg.get("method")
        given = method.get(phase) if isinstance(method, dict) else None
        if isinstance(given, dict) and given.get("optimizer"):
            settings = dict(cfg.optim_wrapper, optimizer=given["optimizer"])
            _build_wrapper(settings, f"method.{phase}", model)
    counts, epochs = cfg.train_cfg, cfg.train_cfg.get("max_epochs")
    epoch = updates_per_epoch(cfg)
    updates = epochs * epoch if epochs and epoch and _has_fixed_epochs(cfg) else None
    played = min(epoch or _EPOCH, max(1, _MOST // (epochs or 1)))
    schedule = Schedule(cfg.optim_wrapper.optimizer, wrapper, played)
    for path, scheduler in each_part(cfg.get("param_scheduler"), "param_scheduler"):
        by_epoch = scheduler.get("by_epoch", True)
        end = (epochs if by_epoch else counts.get("max_iters") or updates) or 10**6
        unit = "epochs" if by_epoch else "iterations"
        given = dict(dict(end=end), **scheduler)
        check_arguments(
            find_type(PARAM_SCHEDULERS, given.get("type"), path),
            {k: v for k, v in given.items() if k != "convert_to_iter_based"},
            path,
        )
        check_types(given, path, PARAM_SCHEDULERS)
        with named(path, scheduler):
            if given.get("begin", 0) >= given["end"]:
                raise ADSError(
                    f"{path} begins after {given['begin']} {unit} and ends after {given['end']}, "
                    "so it never acts; set it and train_cfg together."
                )
            if not by_epoch and epochs and epoch and "end" not in scheduler:  # the Runner's own
                built = schedule.add(path, dict(given, end=epochs * played))
            else:
                built = schedule.add(path, given)
            if getattr(built, "need_val_args", False) and cfg.get("val_cfg") is None:
                raise no_validations(path, given["type"])
        for key, last in _ends(given, end).items():
            if last > end:
                say(
                    f"{path}.{key} is reached after {last} {unit}, but the training has {end}: "
                    "the learning rate does not become what it was meant to be. Set "
                    f"{key} and train_cfg together."
                )
    if epochs:
        schedule.play(epochs, played, epoch is not None)
        if played >= (epoch or 0):  # else the end was not reached
            schedule.say_far_end()
    else:
        schedule.play(1, min(counts.get("max_iters") or _EPOCH, _MOST))


def no_validations(path: str, kind: Any) -> ADSError:
    """The sentence for what acts on a measure of a validation."""
    return ADSError(
        f"{path} ({getattr(kind, '__name__', kind)}) waits for validations, and there are none in "
        "a cycle; take it out."
    )


def _ends(given: dict, end: int) -> dict[str, int]:
    """By key of a scheduler, how long a training must be for it to do its work."""
    kind, begin = str(given["type"]), given.get("begin", 0)
    ends = {"milestones": min(given.get("milestones") or [-1]) + 1}
    if "Step" in kind and "step_size" in given:
        ends["step_size"] = begin + given["step_size"] + 1
    if "Cosine" in kind:
        ends["T_max"] = begin + given.get("T_max", 0)
    if "Linear" in kind and given["end"] != end:  # a warm-up
        ends["end"] = given["end"]
    return ends


def _has_fixed_epochs(cfg: Config) -> bool:
    sampler = (cfg.get("train_dataloader") or {}).get("sampler")
    return isinstance(sampler, dict) and type(sampler.get("num_samples")) is int


def _shows_each_once(cfg: Config) -> bool:
    """Whether an epoch shows each labelled image once."""
    loader = cfg.train_dataloader
    dataset = training_dataset(cfg, None)
    sampler = str((loader.get("sampler") or {}).get("type")).rpartition(".")[2]
    others = dataset.get("filter_cfg") or dataset.keys() & {"dataset", "datasets"}
    return sampler == "DefaultSampler" and not others and not loader.get("num_batch_per_epoch")


def updates_per_epoch(cfg: Config, cycle: int = -1) -> int | None:
    """Label updates of an epoch of a cycle, as far as they can be told.

    Args:
        cfg: Run config.
        cycle: its number; -1 for the last.
    """
    loader, loop = (cfg.get(key) or {} for key in ("train_dataloader", "active_learning"))
    numbers = [loop.get(key) for key in ("initial", "budget", "cycles")]
    images = None
    if _has_fixed_epochs(cfg):
        images = loader.sampler.num_samples
    elif all(type(number) is int for number in numbers) and _shows_each_once(cfg):
        images = numbers[0] + numbers[1] * (cycle if cycle >= 0 else numbers[2] - 1)
    size = loader.get("batch_size", 1)
    if images is None or type(size) is not int or images < 1 or size < 1:
        return None
    batches = math.ceil(images / get_world_size()) / size
    return max(1, math.floor(batches) if loader.get("drop_last") else math.ceil(batches))


def _build_wrapper(given: dict, path: str, model: nn.Module) -> OptimWrapper:
    """The optimiser of a model, tried on one number."""
    optimizer = given.get("optimizer")
    if not isinstance(optimizer, dict):
        raise ADSError(f"{path}.optimizer is {short(optimizer)}; it must be a dict.")
    with named(path, given):
        constructor = given.get("constructor", "DefaultOptimWrapperConstructor")
        find_type(OPTIM_WRAPPER_CONSTRUCTORS, constructor, path)
        wrapper = build_optim_wrapper(model, copy.deepcopy(given))
    if constructor == "DefaultOptimWrapperConstructor" and path == "optim_wrapper":
        check_names(given.get("paramwise_cfg"), _PARAMWISE, f"{path}.paramwise_cfg")
        names = [name for name, _ in model.named_parameters()]
        known = {"lr_mult", "decay_mult"} | wrapper.optimizer.defaults.keys()
        for key, own in ((given.get("paramwise_cfg") or {}).get("custom_keys") or {}).items():
            # mmengine hands whatever is there to the optimiser, which keeps it and reads its own
            check_names(own, known, f"{path}.paramwise_cfg.custom_keys.{key}")
            if not any(key in name for name in names):
                say(
                    f"{path}.paramwise_cfg.custom_keys has {key!r}, which is part of no "
                    f"parameter's name and does nothing; the first of {len(names)} is {names[0]!r}."
                )
    one = nn.Parameter(torch.zeros(1))
    one.grad = torch.zeros(1)
    build_part(OPTIMIZERS, optimizer, f"{path}.optimizer", params=[one])
    with named(f"{path}.optimizer", optimizer):
        built = OPTIMIZERS.build(dict(optimizer, params=[one]))
        try:
            inspect.signature(built.step).bind()
        except TypeError as error:
            raise ADSError(
                f"{type(built).__name__} asks for a function that computes the loss again, which "
                "mmengine does not give; use one such as SGD or AdamW."
            ) from error
        built.step()
    if getattr(wrapper, "clip_grad_kwargs", None):
        with named(f"{path}.clip_grad", given["clip_grad"]):
            wrapper.clip_func([one], **wrapper.clip_grad_kwargs)
    return wrapper
