"""Everything that a run builds, built once before it begins, so that what a config cannot mean is
said in one sentence with the key's path instead of hours later."""

from __future__ import annotations

import copy
import importlib.util
import inspect
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import (
    DATASETS,
    LOG_PROCESSORS,
    LOOPS,
    METRICS,
    TASK_UTILS,
    VISBACKENDS,
    VISUALIZERS,
    WEIGHT_INITIALIZERS,
)
from mmengine.runner import BaseLoop, Runner, TestLoop, ValLoop
from torch import nn

from ads_det.data.pool_dataset import PoolDataset
from ads_det.engine.build import accepted_arguments, find_function
from ads_det.engine.config_keys import check_keys, short
from ads_det.engine.config_parts import (
    build_part,
    check_arguments,
    check_forgotten,
    check_names,
    check_spelling,
    check_types,
    each_part,
    find_type,
    named,
    same_randomness,
)
from ads_det.engine.datasets import (
    not_of_this_project,
    pool_config,
)
from ads_det.engine.declared import check_declared
from ads_det.engine.dry_hooks import check_hooks
from ads_det.engine.dry_loaders import check_loaders
from ads_det.engine.dry_optimisers import check_optimisers
from ads_det.engine.methods import build_method
from ads_det.engine.metric_names import check_metric, check_wrapped
from ads_det.engine.ranges import check_ranges
from ads_det.errors import ADSError
from ads_det.registry import MODELS

# what a backend imports when it is first used
_PACKAGES = dict(WandbVisBackend="wandb", MLflowVisBackend="mlflow", ClearMLVisBackend="clearml")
_PACKAGES |= dict(NeptuneVisBackend="neptune", DVCLiveVisBackend="dvclive", AimVisBackend="aim")
_COUNTS = ("max_epochs", "max_iters", "val_begin", "val_interval")
_ENVIRONMENT = ("cudnn_benchmark", "mp_cfg", "dist_cfg", "resource_limit")
_START = (None, "fork", "spawn", "forkserver")
# what mmdet's heads read of the two blocks of a model that have no class
_NUMBERS = ("nms_pre", "min_bbox_size", "score_thr", "max_per_img", "iou_threshold")
_NUMBERS += ("allowed_border", "pos_weight", "neg_pos_ratio", "smoothl1_beta")
_TRIED_NMS = ("nms", "soft_nms")
_WORDS = (*_NUMBERS, "nms", "per_classifier", "assigner", "sampler", "debug", "type")


def check_config(cfg: Config) -> None:
    """Build what a run of the loop builds, but for images, weights and what is random.

    Nothing is read or written, and random states stay as they are. The model is built without
    memory for its weights where that works.

    Args:
        cfg: not changed.

    Raises:
        ADSError: at the first thing that mmengine, mmdet or torch refuse; names its key.
    """
    cfg = Config(copy.deepcopy(cfg.to_dict()), format_python_code=False)
    check_keys(cfg)
    check_ranges(cfg.to_dict())
    with same_randomness(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _check_blocks(cfg)
        kind = find_type(DATASETS, pool_config(cfg).get("type"), "pool")
        if inspect.isclass(kind) and not issubclass(kind, PoolDataset):
            raise not_of_this_project(cfg)
        check_loaders(cfg)
        _check_init(cfg.model, "model")
        model = build_model(cfg)
        _check_parts(cfg, model)
        check_optimisers(cfg, model)
        if not cfg.get("test_evaluator"):
            raise ADSError("`test_evaluator` is empty; name a metric.")
        for key in ("test_evaluator", "val_evaluator"):
            for path, metric in each_part(cfg.get(key), key):
                build_part(METRICS, _without_files(metric), path)
        if name := (cfg.get("active_learning") or {}).get("metric"):
            check_wrapped(name, cfg)
            check_metric(name, "active_learning.metric", cfg)
        if cfg.get("log_processor") is not None:
            processor = dict(dict(type="LogProcessor"), **cfg.log_processor)
            build_part(LOG_PROCESSORS, processor, "log_processor")
        if cfg.get("visualizer") is not None:
            _check_visualizer(cfg.visualizer)
        check_hooks(cfg, model)


def _check_blocks(cfg: Config) -> None:
    """What is read without being built."""
    environment = cfg.get("env_cfg") or {}
    check_names(environment, _ENVIRONMENT, "env_cfg")
    processes = environment.get("mp_cfg")
    check_names(processes, ("mp_start_method", "opencv_num_threads"), "env_cfg.mp_cfg")
    processes = processes or {}
    for path, value, allowed in (
        ("cudnn_benchmark", environment.get("cudnn_benchmark", False), (True, False)),
        ("mp_cfg.mp_start_method", processes.get("mp_start_method"), _START),
        ("mp_cfg.opencv_num_threads", processes.get("opencv_num_threads", 0), range(10**4)),
    ):
        if value not in allowed:
            raise ADSError(f"env_cfg.{path} is {short(value)}; correct it.")
    check_names(cfg.get("randomness"), ("seed", "diff_rank_seed", "deterministic"), "randomness")
    check_declared(Runner.set_randomness, cfg.get("randomness") or {}, "randomness")
    check_names(cfg.get("auto_scale_lr"), ("enable", "base_batch_size"), "auto_scale_lr")
    for part in ("val", "test"):
        given = [f"{part}_{end}" for end in ("dataloader", "cfg", "evaluator")]
        missing = [key for key in given if cfg.get(key) is None]
        if 0 < len(missing) < 3:
            raise ADSError(f"The config has no `{missing[0]}`; {', '.join(given)} go together.")
    for key, default in (("train_cfg", None), ("val_cfg", "ValLoop"), ("test_cfg", "TestLoop")):
        if cfg.get(key) is not None:
            _check_loop(dict(cfg[key]), key, default)
    prepare = (cfg.get("active_learning") or {}).get("prepare")
    if prepare:
        path = "active_learning.prepare"
        if not isinstance(prepare, dict):
            raise ADSError(f"{path} is {short(prepare)}; it must be a dict of type and arguments.")
        arguments = {str(k): v for k, v in prepare.items() if k != "type"}
        with named(path, prepare):
            inspect.signature(find_function(prepare.get("type"), path)).bind(**arguments)


def _check_parts(cfg: Config, model: nn.Module) -> None:
    """What of the config names parts of the model, or would be passed over beside it."""
    parts = dict(model.named_modules()).keys()
    for key in ("activation_checkpointing", "efficient_conv_bn_eval"):
        names = cfg.get(key) or []
        for name in [names] if isinstance(names, str) else names:
            if name not in parts:
                raise ADSError(f"{key} names {name!r}, which the model has no part of; correct it.")
    beside, own = (part.get("data_preprocessor") for part in (cfg, cfg.model))
    if beside and own and beside != own:
        raise ADSError(
            "The config has `data_preprocessor` beside model.data_preprocessor, which would win; "
            "take one of them out."
        )
    if isinstance(cfg.get("compile"), dict):
        with named("compile", cfg.compile):
            torch.compile(model.forward, **cfg.compile)
    if cfg.get("sync_bn") not in (None, "torch", "mmcv"):
        raise ADSError(f"sync_bn is {short(cfg.sync_bn)}; use 'torch' or 'mmcv'.")


def _check_loop(given: dict[str, Any], path: str, default: str | None) -> None:
    by_epoch = given.pop("by_epoch", True) if "type" not in given else True
    name = "EpochBasedTrainLoop" if by_epoch else "IterBasedTrainLoop"
    kind = find_type(LOOPS, given.pop("type", default or name), path)
    base = {"train": BaseLoop, "val": ValLoop, "test": TestLoop}[path.partition("_")[0]]
    if not issubclass(kind, base):
        raise ADSError(f"{path}.type is {kind.__name__}, which is no {base.__name__}; correct it.")
    arguments = dict(runner=None, dataloader=None, **given)
    if "evaluator" in accepted_arguments(kind):
        arguments["evaluator"] = None
    check_arguments(kind, arguments, path)
    with named(path, given):
        inspect.signature(kind.__init__).bind(None, **arguments)  # type: ignore[misc]
    for key in _COUNTS:
        if key in given and (type(given[key]) is not int or given[key] < 1):
            raise ADSError(f"{path}.{key} is {given[key]!r}; use a whole number of 1 or more.")


def build_model(cfg: Config) -> nn.Module:
    """The model of the config: without memory if its parts can be built so."""
    check_types(cfg.model, "model", MODELS, TASK_UTILS)
    check_forgotten(cfg.model, "model", TASK_UTILS)
    for name in ("train_cfg", "test_cfg"):
        _check_numbers(cfg.model.get(name), f"model.{name}")
    for name, part in cfg.model.items():
        if part == []:
            raise ADSError(f"model.{name} is empty; it must be a dict of type and arguments.")
    with named("model", cfg.model):
        try:
            with torch.device("meta"):
                model: nn.Module = MODELS.build(copy.deepcopy(cfg.model))
        except Exception:
            model = MODELS.build(copy.deepcopy(cfg.model))
    for name in ("train_cfg", "test_cfg"):
        _check_read(cfg.model.get(name), f"model.{name}", model)
    if "test_cfg" in accepted_arguments(type(model)) and cfg.model.get("test_cfg") is None:
        raise ADSError("model.test_cfg is missing; give what a prediction needs, such as the NMS.")
    with named("method", cfg.get("method")), torch.device("meta"):
        build_method(cfg).extend_model(model)
    return model


def _check_numbers(node: Any, path: str) -> None:
    if node is not None and not isinstance(node, (dict, list)):
        raise ADSError(f"{path} is {short(node)}; it must be a dict.")
    for name, value in node.items() if isinstance(node, dict) else ():
        if name in _NUMBERS and isinstance(value, (str, list, tuple, dict)):
            raise ADSError(f"{path}.{name} is {short(value)}; use a number.")
        if isinstance(value, dict) and name not in ("assigner", "sampler"):
            _check_numbers(value, f"{path}.{name}")


def _check_read(node: Any, path: str, model: nn.Module) -> None:
    """Refuse misspelt names, unless the model's own code mentions them, and an NMS that fails."""
    if not isinstance(node, dict):
        return
    try:
        check_spelling(node, _WORDS, path)
    except ADSError:  # only then is the code worth reading
        mentioned = _mentioned(model)
        check_spelling({k: v for k, v in node.items() if k not in mentioned}, _WORDS, path)
    for name, value in node.items():
        inner = f"{path}.{name}"
        if name == "nms" and isinstance(value, dict) and value.get("type", "nms") in _TRIED_NMS:
            from mmcv.ops import batched_nms  # after the registry, which has it

            boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.0]])
            with named(inner, value):
                batched_nms(boxes, torch.ones(2), torch.zeros(2).long(), copy.deepcopy(value))
        elif isinstance(value, dict) and name not in ("assigner", "sampler"):
            _check_read(value, inner, model)


def _mentioned(model: nn.Module) -> set[str]:
    """Attributes and texts in the source of the classes that a model is made of."""
    kinds = {base for part in model.modules() for base in type(part).__mro__}
    modules = {sys.modules[kind.__module__] for kind in kinds if kind.__module__ in sys.modules}
    files = {str(getattr(module, "__file__", None)) for module in modules}
    found: set[str] = set()
    for file in files:
        if file.endswith(".py"):
            text = Path(file).read_text(encoding="utf-8")
            found |= set(re.findall(r"(?:\.|[\"'])(\w+)", text))
    return found


def _check_init(node: Any, path: str) -> None:
    """Every ``init_cfg``: it is read only when a training begins."""
    for name, value in node.items() if isinstance(node, dict) else enumerate(node or ()):
        inner = f"{path}.{name}" if isinstance(node, dict) else f"{path}[{name}]"
        if name == "init_cfg" and value is not None:
            for where, part in each_part(value, inner):
                build_part(
                    WEIGHT_INITIALIZERS, {k: v for k, v in part.items() if k != "override"}, where
                )
        elif isinstance(value, (dict, list, tuple)):
            _check_init(value, inner)


def _check_visualizer(given: dict) -> None:
    """It would keep itself for later."""
    kind = find_type(VISUALIZERS, given.get("type", "Visualizer"), "visualizer")
    check_arguments(kind, given, "visualizer")
    name = given.get("name", "visualizer")
    if not isinstance(name, str) or not name:
        raise ADSError(f"visualizer.name is {name!r}; give it a name.")
    for path, backend in each_part(given.get("vis_backends"), "visualizer.vis_backends"):
        # only its arguments: some of them open a connection when they are built
        backend_kind = find_type(VISBACKENDS, backend.get("type"), path)
        check_arguments(backend_kind, backend, path)
        package = _PACKAGES.get(backend_kind.__name__)
        if package is not None and importlib.util.find_spec(package) is None:
            raise ADSError(
                f"{path} ({backend_kind.__name__}) needs the package {package}, which is not "
                "installed; install it, or take the backend out."
            )


# -- helpers --------------------------------------------------------------------------------


def _without_files(node: Any) -> Any:
    """A metric that would read annotations when it is built, without them."""
    if not isinstance(node, dict):
        return node
    return {k: None if k == "ann_file" else _without_files(v) for k, v in node.items()}
