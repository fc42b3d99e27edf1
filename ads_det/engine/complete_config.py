"""A complete config of mmdet, which knows nothing of this project, made one that the loop runs."""

from __future__ import annotations

import copy
import os
from typing import Any

from mmengine.config import Config

from ads_det.engine.config_keys import short
from ads_det.engine.config_parts import typed_parts
from ads_det.engine.foreign_config import without_annotations
from ads_det.errors import ADSError

_DATA_SETS = {"CocoDataset": "ads_det.CocoDataset", "VOCDataset": "ads_det.VOCDataset"}
# metrics of boxes: what they must measure, and the key under which the loop finds it
_EVALUATORS = {"CocoMetric": ("bbox", "coco/bbox_mAP"), "VOCMetric": ("mAP", "pascal_voc/mAP")}
_OWN_PREFIX = "ads_det."
_NEEDED = ("test_dataloader", "test_evaluator", "optim_wrapper", "train_cfg")
_OF_A_LOADER = ("type", "pipeline", "filter_cfg")
_DEFAULTS = dict(initial=100, budget=100, cycles=5, strategy="ads_det.Entropy")


def is_complete(cfg: Config) -> bool:
    """Whether a config trains by itself, as those of mmdet, and names no candidates."""
    named = all(isinstance(cfg.get(key), dict) for key in ("model", "train_dataloader"))
    metric = cfg.get("test_evaluator")
    own = isinstance(metric, dict) and str(metric.get("type")).startswith(_OWN_PREFIX)
    return named and not own and cfg.get("candidate_dataloader") is None


def in_loop(cfg: Config) -> Config:
    """The config itself or, of a complete one of mmdet, its :func:`loop_config`."""
    return loop_config(cfg) if is_complete(cfg) else cfg


def loop_config(cfg: Config) -> Config:
    """A copy of a complete config of mmdet with what the loop needs beside it.

    Model, pipelines, batches, optimiser, schedule and evaluator are taken as they are. The pool is
    the training data set (or the block ``pool``), read by this project's data set of the same
    format; candidates pass through the pipeline of the test data. The Runner of a cycle does not
    validate, and saves states by which a run is resumed. Weights of a backbone are not looked for
    where ``load_from`` brings those of the whole detector.

    Args:
        cfg: see :func:`is_complete`; not changed.

    Raises:
        ADSError: if a part cannot be taken over; names the key.
    """
    where = cfg.filename or "The config"
    scope = cfg.get("default_scope", "mmdet")
    cfg = Config(_unscoped(copy.deepcopy(cfg.to_dict()), scope), filename=cfg.filename)
    for key in _NEEDED:
        if not cfg.get(key):
            raise ADSError(f"{where} has no `{key}`; use a whole config, as mmdet trains by.")
    _check_loop(cfg, where)
    for key in ("train_dataloader", "test_dataloader"):
        cfg[key].dataset = _joined(cfg[key].get("dataset"), f"{key}.dataset")
        cfg[key].pop("persistent_workers", None)  # a resumed run would augment otherwise
    train, test = _innermost(cfg.train_dataloader.dataset), _innermost(cfg.test_dataloader.dataset)
    own = {k: train.pop(k) for k in list(train) if k not in _OF_A_LOADER}
    kind = train.pop("type", None)
    if cfg.get("pool") is None:
        cfg.pool = dict(own, type=_own_type(kind, "train_dataloader.dataset"))
    test["type"] = _own_type(test.get("type"), "test_dataloader.dataset")
    _check_steps(test["pipeline"])
    _check_masks(cfg, train["pipeline"])
    cfg.candidate_dataloader = dict(
        batch_size=cfg.test_dataloader.get("batch_size", 1),
        num_workers=cfg.test_dataloader.get("num_workers", 0),
        dataset=dict(pipeline=without_annotations(test["pipeline"])),
    )
    if cfg.get("unlabeled_dataloader") is None:  # for methods that look at unlabelled images
        sizes = {k: cfg.train_dataloader.get(k, 1) for k in ("batch_size", "num_workers")}
        cfg.unlabeled_dataloader = dict(sizes, dataset=cfg.candidate_dataloader.dataset)
    for key in ("val_dataloader", "val_cfg", "val_evaluator"):
        cfg[key] = None
    cfg.test_cfg = dict(cfg.get("test_cfg") or {}, type="TestLoop")
    hooks = dict(cfg.get("default_hooks") or {})
    interval = (hooks.get("checkpoint") or {}).get("interval")
    interval = interval if isinstance(interval, int) and interval > 0 else 5  # epochs
    hooks["checkpoint"] = dict(type="CheckpointHook", interval=interval, max_keep_ckpts=2)
    cfg.default_hooks = hooks
    cfg.test_evaluator, metric = _evaluators(cfg.test_evaluator, test)
    cfg.setdefault("method", dict(type="ads_det.Plain"))
    cfg.active_learning = _DEFAULTS | dict(metric=metric) | dict(cfg.get("active_learning") or {})
    if cfg.get("load_from"):
        _drop_pretrained(cfg.model)
    return cfg


def _unscoped(node: Any, scope: str) -> Any:
    """Without the marks that mmengine leaves in what comes from ``mmdet::...``, where they say no
    more than the scope that holds anyway."""
    if isinstance(node, dict):
        return {k: _unscoped(v, scope) for k, v in node.items() if (k, v) != ("_scope_", scope)}
    if isinstance(node, (list, tuple)):
        return type(node)(_unscoped(value, scope) for value in node)
    return node


def _check_loop(cfg: Config, where: str) -> None:
    loop = cfg.train_cfg
    by_epoch = loop.get("type", "EpochBasedTrainLoop") == "EpochBasedTrainLoop"
    if not by_epoch or not loop.get("by_epoch", True):
        raise ADSError(
            f"train_cfg of {where} counts iterations; a cycle trains in epochs, so use "
            "dict(type='EpochBasedTrainLoop', max_epochs=...)."
        )


def _joined(dataset: Any, where: str) -> dict:
    """The data set with what its wrappers concatenate as one: a single part, or lists of VOC's
    format below one root."""
    if isinstance(dataset, dict) and isinstance(dataset.get("dataset"), dict):
        return dict(dataset, dataset=_joined(dataset["dataset"], where))
    if isinstance(dataset, dict) and dataset.get("datasets") is None:
        if not dataset.get("pipeline"):
            raise ADSError(f"{where}.pipeline is missing; it must be a list of transforms.")
        return dataset
    parts = dataset.get("datasets") if isinstance(dataset, dict) else None
    lists = [_without_lists(part) for part in parts or ()]
    is_voc = all(_name(part.get("type")) == "VOCDataset" for part in lists)
    if lists and (len(lists) == 1 or (is_voc and all(part == lists[0] for part in lists))):
        files = [part.get("ann_file", "") for part in parts]
        return dict(parts[0], ann_file=files if is_voc else files[0])
    raise ADSError(f"{where} is no single data set; name one, of CocoDataset or VOCDataset.")


def _without_lists(dataset: Any) -> dict:
    return {k: v for k, v in dict(dataset).items() if k not in ("ann_file", "data_prefix")}


def _innermost(dataset: dict) -> dict:
    while isinstance(dataset.get("dataset"), dict):
        dataset = dataset["dataset"]
    return dataset


def _name(kind: Any) -> str:
    """Of a type, without the module or the scope it may be written with."""
    return str(getattr(kind, "__name__", kind)).rpartition(".")[2]


def _own_type(kind: Any, where: str) -> str:
    if isinstance(kind, str) and kind.startswith(_OWN_PREFIX):
        return kind
    found = _DATA_SETS.get(_name(kind))
    if found is None:
        raise ADSError(
            f"{where}.type is {short(kind)}, whose images cannot be named; use CocoDataset or "
            "VOCDataset."
        )
    return found


def _drop_pretrained(node: Any) -> None:
    """Let no part of a model look for weights of its own (in place)."""
    for value in node.values() if isinstance(node, dict) else node:
        if isinstance(value, (dict, list, tuple)):
            _drop_pretrained(value)
    own = node.get("init_cfg") if isinstance(node, dict) else None
    if isinstance(own, dict) and own.get("type") == "Pretrained":
        node["init_cfg"] = None


def _check_steps(pipeline: list[dict]) -> None:
    names = [_name(step.get("type")) for step in pipeline]
    if not any("Resize" in name for name in names):
        raise ADSError(
            "test_dataloader.dataset.pipeline has no Resize, by which boxes are brought back to "
            "the size of the image; add dict(type='Resize', scale=(WIDTH, HEIGHT))."
        )


def _check_masks(cfg: Config, pipeline: list[dict]) -> None:
    heads = [
        key for key, part in typed_parts(cfg.model.to_dict(), "model") if part.get("mask_head")
    ]
    loaded = any(step.get("with_mask") for step in pipeline)
    if heads and not (loaded and cfg.pool.type == "ads_det.CocoDataset"):
        raise ADSError(
            f"{heads[0]}.mask_head learns masks, which the training data do not give; use "
            "CocoDataset and LoadAnnotations with with_mask=True, or a detector without mask_head."
        )


def _evaluators(given: Any, test: dict) -> tuple[list[dict] | dict, str]:
    """Each for the predictions of the project, and the key of the first that is known."""
    found = list(given) if isinstance(given, (list, tuple)) else [given]
    for metric in found:
        if not isinstance(metric, dict):
            raise ADSError(f"test_evaluator is {short(metric)}; it must be a dict with a type.")
        _check_file(metric, test)
    for metric in found:
        if _name(metric.get("type")) == "CocoMetric" and not metric.get("ann_file"):
            raise ADSError("test_evaluator.ann_file is missing; name that of the test images.")
        wanted, key = _EVALUATORS.get(_name(metric.get("type")), ("", ""))
        measured = metric.get("metric", wanted)
        listed = [measured] if isinstance(measured, str) else list(measured)
        if key and wanted in listed and not metric.get("format_only"):
            wrapped = [dict(type="ads_det.PerClassifierMetric", metric=m) for m in found]
            return wrapped if len(wrapped) > 1 else wrapped[0], key
    raise ADSError(
        "test_evaluator measures nothing of boxes that the loop knows; use CocoMetric with "
        "metric='bbox', or VOCMetric."
    )


def _check_file(metric: dict, test: dict) -> None:
    """The annotations that a metric reads must be those of the test images."""
    file = metric.get("ann_file")
    if not isinstance(file, str) or "://" in file:
        return
    root, own = str(test.get("data_root") or ""), test.get("ann_file")
    if isinstance(own, str) and os.path.abspath(os.path.join(root, own)) != os.path.abspath(file):
        raise ADSError(
            f"test_evaluator.ann_file is {file!r}, but the test images are those of "
            f"{os.path.join(root, own)!r}; name the same file in both."
        )
