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
        cut = given.get("begin", 0) + given.get("T_max", 0)
        if "Cosine" in str(given["type"]) and cut > end:
            say(
                f"{path} falls until {cut} {unit}, but the training has {end}: the learning rate "
                "ends high. Set T_max and train_cfg together."
            )


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
    one = nn.Parameter(torch.zeros(1))
    one.grad = torch.zeros(1)
    build_part(OPTIMIZERS, optimizer, f"{path}.optimizer", params=[one])
    with named(f"{path}.optimizer", optimizer):
        OPTIMIZERS.build(dict(optimizer, params=[one])).step(lambda: one.sum())
    if getattr(wrapper, "clip_grad_kwargs", None):
        with named(f"{path}.clip_grad", given["clip_grad"]):
            wrapper.clip_func([one], **wrapper.clip_grad_kwargs)
    return wrapper
