"""From a run's config to the Runner config of one training."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_distributed
from mmengine.hooks import EMAHook
from mmengine.registry import HOOKS, OPTIMIZERS
from mmengine.runner import Runner

from ads_det.distributed import on_main
from ads_det.engine.bfloat16 import ensure_bfloat16
from ads_det.engine.checkpoints import (
    newest_checkpoint,
    read_checkpoint,
    read_model,
    write_model,
)
from ads_det.engine.datasets import (
    check_checkpoint,
    classes_of_checkpoint,
    numbered_test_dataset,
    training_dataset,
    unlabeled_dataset,
)
from ads_det.engine.methods import Method, build_method
from ads_det.engine.methods.base import check_classifiers
from ads_det.engine.model_config import FAMILIES, classifiers_in, classifiers_key
from ads_det.engine.phases import unwrap
from ads_det.engine.runner import CycleRunner
from ads_det.errors import ADSError
from ads_det.files import read_ids, write_atomic

_NEEDED = ("model", "train_dataloader", "candidate_dataloader", "test_dataloader")
_NEEDED += ("test_evaluator", "optim_wrapper", "train_cfg")


def training_config(
    cfg: Config,
    work_dir: Path,
    labeled: Path,
    unlabeled: Path | None,
    seed: int,
    start_from: Path | None = None,
    outlook: dict[str, Any] | None = None,
) -> Config:
    """Config of a Runner that trains on some images and sees others without their labels.

    It adds what every training of this project has: random state per epoch and worker, the
    check of the loss, a progress bar and, for a method that sees unlabelled images, the data set
    of their loader.

    Args:
        cfg: a config with ``train_dataloader`` and so on; not changed.
        work_dir: work directory of the Runner; a training that was cut short there is resumed.
        labeled: list of the ids to train on.
        unlabeled: list of the ids that the method may see without labels.
        seed: training seed.
        start_from: weights to begin with, instead of the config's ``load_from`` or the model's
            own initial ones.
        outlook: arguments of :class:`~ads_det.engine.hooks.ProgressHook`.
    """
    # the Runner asks for the config's text at every checkpoint, and formatting it is slow
    cfg = Config(copy.deepcopy(cfg.to_dict()), format_python_code=False)
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = _unique_name(work_dir)
    cfg.randomness = dict(cfg.get("randomness", {}), seed=seed)
    checkpoint = newest_checkpoint(work_dir, seed)
    cfg.resume = checkpoint is not None
    if checkpoint is not None:
        cfg.load_from = str(checkpoint)
    elif start_from is not None:
        cfg.load_from, cfg.goes_on = str(start_from), True  # which needs no word
    cfg.test_dataloader.dataset = numbered_test_dataset(cfg)
    cfg.unlabeled_dataloader = _unlabeled_loader(cfg, unlabeled)
    cfg.train_dataloader.dataset = training_dataset(cfg, labeled)
    _seed_workers(cfg.train_dataloader)
    cfg.custom_hooks = [
        *(cfg.get("custom_hooks") or ()),
        dict(type="ads_det.FitToDataHook"),
        dict(type="ads_det.EpochSeedHook"),
        # a checkpoint holds the buffers of one process: a resumed run would differ without it
        dict(type="SyncBuffersHook"),
        dict(type="ads_det.FiniteLossHook"),
        dict(type="ads_det.ProgressHook", **outlook or {}),
    ]
    _allow_frozen_parts(cfg)
    return cfg


def train_model(cfg: Config, path: Path) -> Runner:
    """Train by a :func:`training_config` and write the weights atomically.

    Args:
        cfg: config of the Runner.
        path: file of the weights; after that :func:`delete_checkpoints` may follow.

    Returns:
        The Runner, whose model holds the weights as written: with several processes BatchNorm
        statistics would differ between them otherwise.
    """
    runner = CycleRunner.from_cfg(cfg)
    runner.train()
    _keep_averages(runner)
    on_main(lambda: write_atomic(path, lambda file: write_model(runner, file)))
    read_model(runner.model, path)
    return runner


def _keep_averages(runner: Runner) -> None:
    """Where a hook averages weights, let the model be the average, as it is validated."""
    for hook in [hook for hook in runner.hooks if isinstance(hook, EMAHook)]:
        hook._swap_ema_parameters()
        runner.hooks.remove(hook)


def _averages(name: Any) -> bool:
    """Whether a hook of this type averages weights; the weights of a cycle are its result."""
    kind = HOOKS.get(name) if isinstance(name, str) else name
    return isinstance(kind, type) and issubclass(kind, EMAHook)


def delete_checkpoints(work_dir: Path) -> None:
    """Delete the states of a training whose weights are written."""
    for name in ("last_checkpoint", "epoch_*.pth", ".epoch_*.tmp"):
        for file in work_dir.glob(name):
            file.unlink()


def evaluation_runner(cfg: Config, checkpoint: Path | None, work_dir: Path) -> CycleRunner:
    """A Runner that tests, or lends its model for scoring; nothing of it trains.

    Args:
        cfg: the run's config.
        checkpoint: weights to load; None for those that a training begins with.
        work_dir: where its log goes.

    Raises:
        ADSError: if the checkpoint is damaged, or of other classes than the data.
    """
    cfg = Config(copy.deepcopy(cfg.to_dict()), format_python_code=False)
    content = None if checkpoint is None else read_checkpoint(checkpoint)
    check_checkpoint(content, str(checkpoint), cfg)
    cfg.test_dataloader.dataset = numbered_test_dataset(cfg, classes_of_checkpoint(content))
    for key in ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler"):
        cfg[key] = None
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = _unique_name(work_dir)
    pretrained = cfg.get("load_from")
    cfg.resume, cfg.load_from = False, None
    others = [h for h in cfg.get("custom_hooks") or () if not _averages(h.get("type"))]
    cfg.custom_hooks = [*others, dict(type="ads_det.ProgressHook")]
    _allow_frozen_parts(cfg)
    runner = CycleRunner.from_cfg(cfg)
    if checkpoint is None:
        unwrap(runner.model).init_weights()
        if pretrained is not None:
            runner.load_checkpoint(pretrained)
    else:
        read_model(runner.model, checkpoint)
    return runner


def _unique_name(work_dir: Path) -> str:
    """Of an experiment: Runners of one process and second that share a name would share
    MessageHub and visualiser, with the folder of the first."""
    return f"{work_dir.resolve()}_{time.time_ns()}".replace("/", "_")


def check_training(cfg: Config) -> Method:
    """Refuse what the Runner would refuse only later, before any work.

    Returns:
        The method of the config.

    Raises:
        ADSError: names the key.
    """
    for key in _NEEDED:
        several = key == "test_evaluator" and isinstance(cfg.get(key), list)
        if not isinstance(cfg.get(key), dict) and not several:
            raise ADSError(
                f"The config has no `{key}`, or it is no dict; inherit from a config that has one, "
                "such as configs/ssd_digits_ads.py."
            )
    method = build_method(cfg)
    if method.sees_unlabeled and not isinstance(cfg.get("unlabeled_dataloader"), dict):
        raise ADSError(
            f"The method {type(method).__name__} looks at unlabelled images, but the config has no "
            "`unlabeled_dataloader`; add one, or use method=ads_det.Plain."
        )
    for key in ("train_dataloader", "unlabeled_dataloader"):
        if (cfg.get(key) or {}).get("persistent_workers"):
            raise ADSError(
                f"{key}.persistent_workers is True; a resumed run would augment otherwise than an "
                "uninterrupted one, so leave it out."
            )
    if method.min_classifiers > 1 and classifiers_key(cfg.model) is None:
        kind = cfg.model.get("type")
        raise ADSError(
            f"The method {type(method).__name__} needs two classifiers, which {kind} "
            f"cannot have; {FAMILIES} can (ads_det.ADSDetector with a head such as "
            "ads_det.ADSRTMDetHead, or ads_det.ADSFasterRCNN), or use method=ads_det.Plain."
        )
    check_classifiers(method, classifiers_in(cfg.model))
    method.check_config(cfg)
    block = cfg.optim_wrapper.get("optimizer")
    optimizer = block.get("type") if isinstance(block, dict) else None
    if isinstance(optimizer, str) and OPTIMIZERS.get(optimizer) is None:
        raise ADSError(
            f"optim_wrapper.optimizer.type is {optimizer!r}, which is no optimiser of torch; use "
            "one such as SGD or AdamW."
        )
    return method


def prepare_bfloat16(cfg: Config) -> None:
    """Settle whether a CPU computes in bfloat16, before a model is used: later is too late for
    :func:`~ads_det.engine.bfloat16.ensure_bfloat16`, and a run that was resumed in an evaluation
    would train otherwise than an uninterrupted one.

    Args:
        cfg: with an ``optim_wrapper``, as :func:`check_training` leaves it.
    """
    if "Bfloat16OptimWrapper" in str(cfg.optim_wrapper.get("type")) and get_device() == "cpu":
        ensure_bfloat16()


def _unlabeled_loader(cfg: Config, unlabeled: Path | None) -> dict | None:
    """Config of the loader of unlabelled images, as far as its sampler; None if the method looks
    at none or there are none."""
    if not build_method(cfg).sees_unlabeled or unlabeled is None or not read_ids(unlabeled):
        return None
    loader = copy.deepcopy(cfg.unlabeled_dataloader)
    loader.dataset = unlabeled_dataset(cfg, loader.get("dataset") or {}, unlabeled)
    _seed_workers(loader)
    return loader


def _seed_workers(dataloader: dict) -> None:
    dataloader.setdefault("worker_init_fn", dict(type="ads_det.seed_worker"))


def _allow_frozen_parts(cfg: Config) -> None:
    """What freezing parts of a model under DistributedDataParallel needs (in place)."""
    if not is_distributed():
        return
    if torch.cuda.is_available():
        cfg.find_unused_parameters = True
    else:  # mmengine would pass a device id
        cfg.model_wrapper_cfg = dict(
            type="MMDistributedDataParallel",
            device_ids=None,
            find_unused_parameters=True,
            broadcast_buffers=False,
        )
