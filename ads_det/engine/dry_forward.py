"""One step on a grey image before a run begins: layers whose sizes do not fit show only there."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import METRICS
from mmengine.runner.amp import autocast
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ads_det.engine.config_keys import leaves
from ads_det.engine.config_parts import each_part, named, same_randomness
from ads_det.engine.datasets import class_names, training_dataset
from ads_det.engine.dry_pipeline import mixes_images, try_pipeline
from ads_det.engine.dry_run import build_model
from ads_det.errors import ADSError
from ads_det.registry import MODELS

_AFFORDABLE = 2e9  # operations of the features of the batch: a step takes at most about a second


def try_step(cfg: Config) -> None:
    """Let a batch of two grey images with a box pass through a detector and its losses, and back.

    The images come from the training's own pipeline; where that has other than ordinary
    transforms, nothing is tried. Features are computed without memory or arithmetic first, which
    shows whether the layers fit; losses and gradients only where they take no second.

    Args:
        cfg: as :func:`~ads_det.engine.dry_run.check_config` accepts it; not changed.

    Raises:
        ADSError: if torch refuses the step, or the loss is not finite.
    """
    cfg = Config(copy.deepcopy(cfg.to_dict()), format_python_code=False)
    with same_randomness(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset, path = training_dataset(cfg, None), "train_dataloader.dataset"
        steps = dataset.get("pipeline") or ()
        sample = try_pipeline(steps, f"{path}.pipeline", mixes_images(dataset, path))
        boxes = getattr((sample or {}).get("data_samples"), "gt_instances", ())
        if not isinstance((sample or {}).get("inputs"), torch.Tensor) or not len(boxes):
            return
        model = build_model(cfg)
        if not hasattr(model, "extract_feat"):
            return
        with named("model", cfg.model):
            operations = _count_features(model, sample["inputs"].shape)
        if operations <= _AFFORDABLE:
            real = MODELS.build(copy.deepcopy(cfg.model))
            with named("model", cfg.model):
                loss = _loss(real, sample)
            if not loss.isfinite():
                raise ADSError(
                    "The loss of a grey image with one box is not finite; correct the settings of "
                    "`model`, such as its loss weights."
                )
            _evaluate(cfg, real)


def _count_features(model: nn.Module, shape: torch.Size) -> float:
    """Operations of the features of two images; infinite where they cannot be told."""
    from mmdet.models.detectors import SingleStageDetector  # after the registry, which has its ops

    model.to("meta")
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            images = torch.zeros(2, *shape, device="meta")
            if isinstance(model, SingleStageDetector):
                model._forward(images)  # features and head
            else:
                model.extract_feat(images)
    except (NotImplementedError, AttributeError):  # an operation that needs numbers
        return float("inf")
    except RuntimeError as error:
        if "meta" in str(error):
            return float("inf")
        raise
    return float(counter.get_total_flops())


def _evaluate(cfg: Config, model: nn.Module) -> None:
    """Let an untrained model predict two grey images of the test pipeline, and the evaluator
    measure it, where it needs no annotation file."""
    key = "test_dataloader.dataset.pipeline"
    dataset = cfg.test_dataloader.dataset
    sample = try_pipeline(dataset.get("pipeline") or (), key)
    if not isinstance((sample or {}).get("inputs"), torch.Tensor):
        return
    half = autocast(enabled=bool((cfg.get("test_cfg") or {}).get("fp16")))
    with named(key, dataset.get("pipeline")), torch.no_grad(), half:
        predicted = model.eval().test_step(_batch(sample))
    known: set[str] = set()
    for path, part in each_part(cfg.test_evaluator, "test_evaluator"):
        if any(k.endswith("ann_file") for k, _ in leaves(part)) or "Coco" in str(part):
            continue
        with named(path, part), _silent_log():
            metric = METRICS.build(part)
            metric.dataset_meta = dict(classes=class_names(dataset))
            metric.process(None, [one.to_dict() for one in predicted])
            names = metric.evaluate(len(predicted)).keys()
        if twice := sorted(known & names):
            raise ADSError(f"{path} measures {twice[0]} once more; give it a prefix of its own.")
        known |= names


@contextmanager
def _silent_log() -> Iterator[None]:
    """Metrics print tables, which say nothing here."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _batch(sample: dict[str, Any]) -> dict[str, Any]:
    return {key: [copy.deepcopy(value) for _ in range(2)] for key, value in sample.items()}


def _loss(model: nn.Module, sample: dict[str, Any]) -> torch.Tensor:
    """The loss of a real, untrained model, after its gradients were computed."""
    model.train()
    batch = _batch(sample)
    data = model.data_preprocessor(batch, training=True)
    loss, _ = model.parse_losses(model(**data, mode="loss"))
    loss.backward()
    return loss.detach()
