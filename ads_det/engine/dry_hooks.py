"""The hooks of a config, built once before a run."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config
from mmengine.hooks import (
    CheckpointHook,
    DistSamplerSeedHook,
    EarlyStoppingHook,
    Hook,
    IterTimerHook,
    LoggerHook,
    ParamSchedulerHook,
    ProfilerHook,
    RuntimeInfoHook,
)
from mmengine.registry import HOOKS
from mmengine.runner import get_priority
from torch import nn

from ads_det.console import say
from ads_det.engine.config_keys import short
from ads_det.engine.config_parts import (
    NeedsDataError,
    build_part,
    check_arguments,
    check_spelling,
    find_type,
    named,
)
from ads_det.engine.datasets import training_dataset
from ads_det.engine.dry_loaders import check_output
from ads_det.engine.dry_optimisers import no_validations, updates_per_epoch
from ads_det.engine.dry_pipeline import mixes_images, try_pipeline
from ads_det.errors import ADSError

_TRIED = ("mmengine", "mmdet", "ads_det")
_DEFAULT: dict[str, type[Hook]] = {
    "runtime_info": RuntimeInfoHook,
    "timer": IterTimerHook,
    "sampler_seed": DistSamplerSeedHook,
    "logger": LoggerHook,
    "param_scheduler": ParamSchedulerHook,
    "checkpoint": CheckpointHook,
}
_NEEDED = ("runtime_info", "sampler_seed", "param_scheduler")
# with others a training that was cut short would not go on as it was, or would begin anew
_CHECKPOINT = ("type", "priority", "interval", "max_keep_ckpts", "save_begin", "save_last")
_OF_VALIDATION = ("save_best", "rule", "greater_keys", "less_keys")  # of which there are none
_SAVED = dict(by_epoch=True, save_optimizer=True, save_param_scheduler=True)


class _DryRunner:
    """What is known of a run's shortest training before it begins; all else needs the data."""

    iter = epoch = 0

    def __init__(self, cfg: Config, model: nn.Module) -> None:
        self.model = model
        epoch = updates_per_epoch(cfg, 0)
        if epochs := cfg.train_cfg.get("max_epochs"):
            self.max_epochs = epochs
            if epoch is not None:
                self.max_iters = epochs * epoch

    def __getattr__(self, name: str) -> Any:
        raise NeedsDataError


def check_hooks(cfg: Config, model: nn.Module) -> None:
    """Build every hook once, and let those of OpenMMLab begin a training.

    Args:
        cfg: Run config.
        model: its model, which may have no memory; not to be used after this.

    Raises:
        ADSError: names the key of what cannot be built or begin, of what would do nothing or act
            twice, and of what a run cannot do without.
    """
    given = cfg.get("default_hooks") or {}
    untyped = {k: v for k, v in given.items() if not (isinstance(v, dict) and "type" in v)}
    check_spelling(untyped, (*_DEFAULT, "visualization"), "default_hooks")
    runner = _DryRunner(cfg, model)
    for name, hook in given.items():
        path = f"default_hooks.{name}"
        if hook is None and (name in _NEEDED or name not in _DEFAULT):
            why = "a training needs it" if name in _NEEDED else "there is no default to leave out"
            raise ADSError(f"{path} is None, but {why}; take it out.")
        if hook is not None:
            kind = _try_hook(hook, path, cfg, runner)
            if name in _NEEDED and not issubclass(kind, _DEFAULT[name]):
                raise ADSError(
                    f"{path}.type is {kind.__name__}, but a training needs a "
                    f"{_DEFAULT[name].__name__} there; take it out, or add it to custom_hooks."
                )
            _check_twice(kind, path, given)
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
        path = f"custom_hooks[{number}]"
        _check_twice(_try_hook(hook, path, cfg, runner), path, given)


def _check_twice(kind: type, path: str, given: dict) -> None:
    """Refuse a hook that does what one of the default hooks does."""
    for name, default in _DEFAULT.items():
        own = f"default_hooks.{name}"
        if path != own and issubclass(kind, default) and given.get(name, ()) is not None:
            raise ADSError(
                f"{path} ({kind.__name__}) would do once more what {own} does; take it out, or "
                f"write it as {own}."
            )


def _try_hook(hook: Any, path: str, cfg: Config, runner: _DryRunner) -> type:
    """Build a hook and let it begin a training, as far as that needs no data; its class."""
    if not isinstance(hook, dict):
        raise ADSError(f"{path} is {short(hook)}; it must be a dict with the type of a hook.")
    with named(path, hook):
        get_priority(hook.get("priority", "NORMAL"))
    arguments = {k: v for k, v in hook.items() if k != "priority"}
    kind = find_type(HOOKS, hook.get("type"), path)
    if kind.__name__.endswith("VisualizationHook"):
        check_arguments(kind, arguments, path)  # it asks for a visualiser, which is not there yet
        return kind
    if kind is EarlyStoppingHook and cfg.get("val_cfg") is None:
        raise no_validations(path, kind)
    built = build_part(HOOKS, arguments, path)
    if kind.__module__.split(".")[0] not in _TRIED:  # others may mean something else
        return type(built)
    _check_switch(built, arguments, path, cfg)
    if kind is not ProfilerHook:  # it would begin what nobody ends
        for begin in (built.before_run, built.before_train):
            with named(path, hook):
                begin(runner)
    return type(built)


def _check_switch(hook: Hook, arguments: dict, path: str, cfg: Config) -> None:
    """A hook that changes something late in a training: when, and to which pipeline."""
    epochs = cfg.train_cfg.get("max_epochs")
    for name in ("switch_epoch", "num_last_epochs"):
        number = getattr(hook, name, 0)
        if type(number) is not int:
            raise ADSError(f"{path}.{name} is {short(number)}; use a whole number.")
        if epochs and number >= epochs:
            what = "never acts" if name == "switch_epoch" else "acts from the first on"
            say(
                f"{path}.{name} is {number}, but the training has {epochs} epochs: the hook "
                f"{what}. Set {name} and train_cfg together."
            )
    if hasattr(hook, "skip_type_keys"):
        dataset = training_dataset(cfg, None)
        if not mixes_images(dataset, "pool"):
            kind = getattr(dataset.type, "__name__", dataset.type)
            raise ADSError(
                f"{path} leaves out steps of a data set that mixes images, but the training's is "
                f"{kind}; take it out, or wrap that in a MultiImageMixDataset."
            )
    for name, steps in arguments.items():
        if str(name).endswith("pipeline") and not steps:
            raise ADSError(f"{path}.{name} is {short(steps)}; it must be a list of transforms.")
        if str(name).endswith("pipeline") and isinstance(steps, (list, tuple)):
            shown = try_pipeline(steps, f"{path}.{name}")
            if shown is not None:
                check_output(shown, f"{path}.{name}", is_labeled=True)
