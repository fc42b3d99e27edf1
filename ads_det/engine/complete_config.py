"""A complete config of mmdet, which knows nothing of this project, made one that the loop runs."""

from __future__ import annotations

import copy
from typing import Any

from mmengine.config import Config

from ads_det.engine.foreign import without_annotations
from ads_det.errors import ADSError

_DATA_SETS = {
    "CocoDataset": "ads_det.CocoDataset",
    "VOCDataset": "ads_det.VOCDataset",
}
_EVALUATORS = {"CocoMetric": "coco/bbox_mAP", "VOCMetric": "pascal_voc/mAP"}
_OWN_PREFIX = "ads_det."
_NEEDED = ("model", "train_dataloader", "test_dataloader", "test_evaluator", "optim_wrapper")
_DEFAULTS = dict(initial=100, budget=100, cycles=5, strategy="ads_det.Entropy")


def is_complete(cfg: Config) -> bool:
    """Whether a config is one of mmdet that trains by itself and names no candidates."""
    return cfg.get("candidate_dataloader") is None and all(cfg.get(k) for k in _NEEDED)


def loop_config(cfg: Config) -> Config:
    """A copy of a complete config of mmdet with what the loop needs beside it.

    Model, pipelines, batches, optimiser, schedule and evaluator are taken as they are. The pool is
    the training data set (or the block ``pool``), read by this project's data set of the same
    format; candidates pass through the pipeline of the test data. The Runner of a cycle does not
    validate, and saves states by which a run is resumed.

    Args:
        cfg: see :func:`is_complete`; not changed.

    Raises:
        ADSError: if a part cannot be taken over; names the key.
    """
    cfg = Config(copy.deepcopy(cfg.to_dict()), filename=cfg.filename)
    _check_loop(cfg)
    train = _innermost(cfg.train_dataloader.get("dataset"), "train_dataloader.dataset")
    test = _innermost(cfg.test_dataloader.get("dataset"), "test_dataloader.dataset")
    if cfg.get("pool") is None:
        kept = {k: v for k, v in train.items() if k not in ("pipeline", "filter_cfg")}
        cfg.pool = dict(kept, type=_own_type(train, "train_dataloader.dataset"))
    for key in [k for k in train if k not in ("pipeline", "filter_cfg")]:
        del train[key]
    test["type"] = _own_type(test, "test_dataloader.dataset")
    cfg.candidate_dataloader = dict(
        batch_size=cfg.test_dataloader.get("batch_size", 1),
        num_workers=cfg.test_dataloader.get("num_workers", 0),
        dataset=dict(pipeline=without_annotations(test["pipeline"])),
    )
    for key in ("train_dataloader", "test_dataloader"):
        cfg[key].pop("persistent_workers", None)  # a resumed run would augment otherwise
    for key in ("val_dataloader", "val_cfg", "val_evaluator"):
        cfg[key] = None
    cfg.test_cfg = dict(cfg.get("test_cfg") or {}, type="TestLoop")
    hooks = dict(cfg.get("default_hooks") or {})
    hooks["checkpoint"] = dict(type="CheckpointHook", interval=5, max_keep_ckpts=2)
    cfg.default_hooks = hooks
    cfg.test_evaluator, metric = _evaluators(cfg.test_evaluator)
    cfg.setdefault("method", dict(type="ads_det.Plain"))
    cfg.active_learning = _DEFAULTS | dict(metric=metric) | dict(cfg.get("active_learning") or {})
    return cfg


def _check_loop(cfg: Config) -> None:
    loop = cfg.get("train_cfg") or {}
    if loop.get("type", "EpochBasedTrainLoop") != "EpochBasedTrainLoop" or not loop.get(
        "by_epoch", True
    ):
        raise ADSError(
            f"train_cfg of {cfg.filename or 'the config'} counts iterations; a cycle trains in "
            "epochs, so use dict(type='EpochBasedTrainLoop', max_epochs=...)."
        )


def _innermost(dataset: Any, where: str) -> dict:
    """The one data set inside wrappers."""
    while isinstance(dataset, dict) and dataset.get("type") != "ConcatDataset":
        if not isinstance(dataset.get("dataset"), dict):
            if not dataset.get("pipeline"):
                raise ADSError(f"{where}.pipeline is missing; it must be a list of transforms.")
            return dataset
        dataset = dataset["dataset"]
    raise ADSError(f"{where} is no single data set; name one, of CocoDataset or VOCDataset.")


def _own_type(dataset: dict, where: str) -> str:
    name = dataset.get("type")
    name = name if isinstance(name, str) else getattr(name, "__name__", "")
    if name.startswith(_OWN_PREFIX):
        return name
    found = _DATA_SETS.get(name.rpartition(".")[2])
    if found is None:
        raise ADSError(
            f"{where}.type is {name!r}, whose images cannot be named; use CocoDataset or "
            "VOCDataset."
        )
    return found


def _evaluators(given: Any) -> tuple[list[dict], str]:
    """Each for the predictions of the project, and the key of the first that is known."""
    found = list(given) if isinstance(given, (list, tuple)) else [given]
    for metric in found:
        key = _EVALUATORS.get(str(metric.get("type")).rpartition(".")[2])
        if key is not None:
            wrapped = [dict(type="ads_det.PerClassifierMetric", metric=m) for m in found]
            return wrapped, key
    raise ADSError(
        "test_evaluator names no metric of boxes that the loop knows; use CocoMetric or VOCMetric."
    )
