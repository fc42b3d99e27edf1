"""One step on a grey image before a run begins: layers whose sizes do not fit show only there."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from mmengine.config import Config
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ads_det.engine.config_parts import named, same_randomness
from ads_det.engine.datasets import training_dataset
from ads_det.engine.dry_pipeline import try_pipeline
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
        pipeline = training_dataset(cfg, None).get("pipeline") or ()
        sample = try_pipeline(pipeline, "train_dataloader.dataset.pipeline")
        boxes = getattr((sample or {}).get("data_samples"), "gt_instances", ())
        if not isinstance((sample or {}).get("inputs"), torch.Tensor) or not len(boxes):
            return
        model = build_model(cfg)
        if not hasattr(model, "extract_feat"):
            return
        with named("model", cfg.model):
            operations = _count_features(model, sample["inputs"].shape)
        if operations <= _AFFORDABLE:
            with named("model", cfg.model):
                loss = _loss(cfg, sample)
            if not loss.isfinite():
                raise ADSError(
                    "The loss of a grey image with one box is not finite; correct the settings of "
                    "`model`, such as its loss weights."
                )


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


def _loss(cfg: Config, sample: dict[str, Any]) -> torch.Tensor:
    """The loss of a real, untrained model, after its gradients were computed."""
    model = MODELS.build(copy.deepcopy(cfg.model))
    model.train()
    batch = {key: [copy.deepcopy(value) for _ in range(2)] for key, value in sample.items()}
    data = model.data_preprocessor(batch, training=True)
    loss, _ = model.parse_losses(model(**data, mode="loss"))
    loss.backward()
    return loss.detach()
