"""Config and checkpoint of an ordinary mmdet detector, which know nothing of this project."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import revert_sync_batchnorm
from torch import nn

from ads_det.engine.checkpoints import read_checkpoint, read_model
from ads_det.engine.datasets import classes_of_checkpoint, dataset_class
from ads_det.errors import ADSError
from ads_det.registry import MODELS

# what the scorer and the prediction read of an image
_META_KEYS = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
_LOADER_KEYS = ("batch_size", "num_workers", "persistent_workers", "pin_memory", "collate_fn")


def is_foreign(cfg: Config) -> bool:
    """Whether a config is an ordinary one of mmdet, without a loader of candidates."""
    return cfg.get("candidate_dataloader") is None


def foreign_config(cfg: Config, images: Path) -> Config:
    """A copy of an ordinary config whose pool is a folder of images.

    The images pass through the pipeline of ``test_dataloader``, without its annotations, in its
    batches.

    Args:
        cfg: with ``model`` and ``test_dataloader``; not changed.
        images: the folder.

    Raises:
        ADSError: if one of the two is missing.
    """
    where = cfg.filename or "The config"
    if not isinstance(cfg.get("model"), dict):
        raise ADSError(f"{where} has no `model`; use the config the checkpoint was trained with.")
    loader = cfg.get("test_dataloader")
    dataset = _innermost(loader.get("dataset")) if isinstance(loader, dict) else None
    if not isinstance(dataset, dict) or not dataset.get("pipeline"):
        raise ADSError(
            f"{where} has no `test_dataloader.dataset.pipeline`, which would say how to load an "
            "image; add the pipeline that the model was tested with."
        )
    cfg = Config(copy.deepcopy(cfg.to_dict()), filename=cfg.filename)
    kept = {key: loader[key] for key in _LOADER_KEYS if key in loader}
    pipeline = without_annotations(dataset["pipeline"])
    cfg.candidate_dataloader = (
        dict(batch_size=1, num_workers=0) | kept | dict(dataset=dict(pipeline=pipeline))
    )
    cfg.pool = dict(type="ads_det.ImageFolderDataset", data_root=str(images))
    cfg.pop("train_dataloader", None)  # of other images
    return cfg


def load_detector(cfg: Config, checkpoint: Path) -> nn.Module:
    """The model of a config in eval mode with the weights of a checkpoint, on the device in use.

    Raises:
        ADSError: if the file is missing or broken, of another architecture, or not finite.
    """
    model = revert_sync_batchnorm(MODELS.build(copy.deepcopy(cfg.model)))
    read_model(model, checkpoint)
    return model.to(get_device()).eval()


def class_names(cfg: Config, checkpoint: Path) -> list[str]:
    """Names of a detector's labels: as the checkpoint says, else ``metainfo`` of the test data
    set, else its class; empty if none of them does.

    Raises:
        ADSError: if the checkpoint cannot be read.
    """
    found = classes_of_checkpoint(read_checkpoint(checkpoint))
    return found or [str(name) for name in _dataset_meta(cfg).get("classes") or ()]


def _dataset_meta(cfg: Config) -> dict:
    """``metainfo`` of the test data set on top of its class's, without loading it."""
    dataset = _innermost((cfg.get("test_dataloader") or {}).get("dataset"))
    if not isinstance(dataset, dict):
        return {}
    kind = dataset_class(dataset)
    if not hasattr(kind, "_load_metainfo"):  # it reads the names from a file where one is given
        return dict(dataset.get("metainfo") or {})
    return kind._load_metainfo(dataset.get("metainfo"))


def _innermost(dataset: Any) -> Any:
    """The config of the data set inside wrappers, of several the first."""
    while isinstance(dataset, dict) and ("dataset" in dataset or dataset.get("datasets")):
        dataset = dataset["dataset"] if "dataset" in dataset else dataset["datasets"][0]
    return dataset


def without_annotations(pipeline: list[dict]) -> list[dict]:
    """The pipeline for images without labels, which keeps their ids and sizes."""
    kept = []
    for step in copy.deepcopy(pipeline):
        kind = step["type"] if isinstance(step["type"], str) else step["type"].__name__
        if kind.endswith("Annotations"):
            continue
        if "meta_keys" in step:
            step["meta_keys"] = tuple(dict.fromkeys((*step["meta_keys"], *_META_KEYS)))
        kept.append(step)
    return kept
