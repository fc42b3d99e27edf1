"""The optimisers and schedulers of a config, built on its model and tried on one number."""

from __future__ import annotations

import copy
import math

import torch
from mmengine.config import Config
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
from ads_det.errors import ADSError

_PARAMWISE = (  # read without a check by mmengine
    *("custom_keys", "bias_lr_mult", "bias_decay_mult", "norm_decay_mult", "flat_decay_mult"),
    *("dwconv_decay_mult", "dcn_offset_lr_mult", "bypass_duplicate"),
)
_EPOCH = 8  # batches, for schedulers that count them


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
    counts = cfg.train_cfg
    for path, scheduler in each_part(cfg.get("param_scheduler"), "param_scheduler"):
        by_epoch = scheduler.get("by_epoch", True)
        end = counts.get("max_epochs" if by_epoch else "max_iters") or 10**6
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
            built = PARAM_SCHEDULERS.build(
                given, default_args=dict(optimizer=wrapper, epoch_length=_EPOCH)
            )
            for _ in range(3):
                built.step()
            if not all(math.isfinite(float(g["lr"])) for g in wrapper.param_groups):
                raise ValueError("the learning rate becomes infinite")
        length = end if by_epoch else _updates(cfg) or end
        for key, last in _ends(given, end).items():
            if last > length:
                say(
                    f"{path}.{key} is reached after {last} {unit}, but the training has {length}: "
                    "the learning rate does not become what it was meant to be. Set "
                    f"{key} and train_cfg together."
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


def _updates(cfg: Config) -> int | None:
    """Label updates of a training, where its epochs have a fixed length."""
    loader = cfg.train_dataloader
    sampler = loader.get("sampler")
    images = sampler.get("num_samples") if isinstance(sampler, dict) else None
    epochs, size = cfg.train_cfg.get("max_epochs"), loader.get("batch_size", 1)
    if not all(type(number) is int for number in (images, epochs, size)):
        return None
    return epochs * math.ceil(images / size)


def _build_wrapper(given: dict, path: str, model: nn.Module) -> OptimWrapper:
    """The optimiser of a model, tried on one number."""
    optimizer = given.get("optimizer")
    if not isinstance(optimizer, dict):
        raise ADSError(f"{path}.optimizer is {short(optimizer)}; it must be a dict.")
    with named(path, given):
        constructor = given.get("constructor", "DefaultOptimWrapperConstructor")
        find_type(OPTIM_WRAPPER_CONSTRUCTORS, constructor, path)
        wrapper = build_optim_wrapper(model, copy.deepcopy(given))
    if constructor == "DefaultOptimWrapperConstructor":
        check_names(given.get("paramwise_cfg"), _PARAMWISE, f"{path}.paramwise_cfg")
        names = [name for name, _ in model.named_parameters()]
        for key in (given.get("paramwise_cfg") or {}).get("custom_keys") or ():
            if not any(key in name for name in names):
                say(
                    f"{path}.paramwise_cfg.custom_keys has {key!r}, which is part of no "
                    f"parameter's name and does nothing; the first of {len(names)} is {names[0]!r}."
                )
    one = nn.Parameter(torch.zeros(1))
    one.grad = torch.zeros(1)
    build_part(OPTIMIZERS, optimizer, f"{path}.optimizer", params=[one])
    with named(f"{path}.optimizer", optimizer):
        OPTIMIZERS.build(dict(optimizer, params=[one])).step(lambda: one.sum())
    if getattr(wrapper, "clip_grad_kwargs", None):
        with named(f"{path}.clip_grad", given["clip_grad"]):
            wrapper.clip_func([one], **wrapper.clip_grad_kwargs)
    return wrapper
