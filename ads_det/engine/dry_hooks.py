"""The hooks of a config, built once before a run."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config
from mmengine.hooks import EarlyStoppingHook
from mmengine.registry import HOOKS
from mmengine.runner import get_priority

from ads_det.engine.config_keys import short
from ads_det.engine.config_parts import (
    build_part,
    check_arguments,
    check_spelling,
    find_type,
    named,
)
from ads_det.errors import ADSError

_DEFAULT = ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler")
_DEFAULT += ("checkpoint", "visualization")
_NEEDED = ("runtime_info", "sampler_seed", "param_scheduler")
# with others a training that was cut short would not go on as it was, or would begin anew
_CHECKPOINT = ("type", "priority", "interval", "max_keep_ckpts", "save_begin", "save_last")
_OF_VALIDATION = ("save_best", "rule", "greater_keys", "less_keys")  # of which there are none
_SAVED = dict(by_epoch=True, save_optimizer=True, save_param_scheduler=True)


def check_hooks(cfg: Config) -> None:
    """Build every hook once.

    Args:
        cfg: Run config.

    Raises:
        ADSError: names the key of what cannot be built, of what would do nothing, and of what a
            run cannot do without.
    """
    given = cfg.get("default_hooks") or {}
    check_spelling(given, _DEFAULT, "default_hooks")
    for name, hook in given.items():
        if hook is not None:
            _build_hook(hook, f"default_hooks.{name}", cfg)
        elif name in _NEEDED:
            raise ADSError(f"default_hooks.{name} is None, but a training needs it; take it out.")
    checkpoint = given.get("checkpoint") or {}
    for name, value in checkpoint.items():
        if name not in (*_CHECKPOINT, *_OF_VALIDATION) and (
            name not in _SAVED or value is not _SAVED[name]
        ):
            raise ADSError(
                f"default_hooks.checkpoint.{name} is {short(value)}, with which a training that "
                "was cut short could not go on as it was; take it out (what may be set: "
                f"{', '.join(_CHECKPOINT[2:])})."
            )
    for number, hook in enumerate(cfg.get("custom_hooks") or ()):
        _build_hook(hook, f"custom_hooks[{number}]", cfg)


def _build_hook(hook: Any, path: str, cfg: Config) -> None:
    if not isinstance(hook, dict):
        raise ADSError(f"{path} is {short(hook)}; it must be a dict with the type of a hook.")
    with named(path, hook):
        get_priority(hook.get("priority", "NORMAL"))
    arguments = {k: v for k, v in hook.items() if k != "priority"}
    kind = find_type(HOOKS, hook.get("type"), path)
    if getattr(kind, "__name__", "").endswith("VisualizationHook"):
        check_arguments(kind, arguments, path)  # it asks for a visualiser, which is not there yet
    elif kind is EarlyStoppingHook and cfg.get("val_cfg") is None:
        raise ADSError(
            f"{path} (EarlyStoppingHook) waits for validations, and there are none in a cycle; "
            "take it out."
        )
    else:
        build_part(HOOKS, arguments, path)
