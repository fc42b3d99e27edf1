"""The pool of a config as the data sets of training, phases and scoring."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS

from ads_det.data.pool_dataset import PoolDataset
from ads_det.errors import ADSError

# what a loader adds to the pool: how it prepares an image, and which it passes over
_OF_A_LOADER = ("pipeline", "filter_cfg")


def pool_config(cfg: Config) -> dict:
    """The data set of all images: the block ``pool``, and on top of it what
    ``train_dataloader.dataset`` says beside its pipeline and its filter.

    A config without the block, such as one of mmdet, names its images in the latter alone.
    """
    pool = copy.deepcopy(cfg.get("pool") or ConfigDict())
    loader = cfg.get("train_dataloader") or {}
    return ConfigDict(pool | _without_loader_keys(loader.get("dataset") or {}))


def training_dataset(cfg: Config, ids: Path | None) -> dict:
    """The labelled images listed in a file (None for all), as they are trained on."""
    own = {k: v for k, v in cfg.train_dataloader.dataset.items() if k in _OF_A_LOADER}
    return ConfigDict(pool_config(cfg) | copy.deepcopy(own) | _listed(ids))


def unlabeled_dataset(cfg: Config, override: dict, ids: Path | None) -> dict:
    """The images listed in a file (None for all), without annotations.

    Args:
        cfg: the run's config.
        override: keys of a loader's data set, such as the pipeline.
        ids: list of ids.
    """
    unlabeled = pool_config(cfg) | dict(load_annotations=False, ids=None) | _listed(ids)
    return ConfigDict(unlabeled | copy.deepcopy(override))


def candidate_loader(cfg: Config, ids: Path | None) -> dict:
    """Config of the loader that scores the images of the pool listed in a file."""
    loader = copy.deepcopy(cfg.candidate_dataloader)
    loader.dataset = unlabeled_dataset(cfg, loader.get("dataset") or {}, ids)
    return loader


def bare_dataset(dataset: dict, **changes: Any) -> dict:
    """Config of a data set that is asked for facts, not for batches: it prepares no image and
    filters none away."""
    return copy.deepcopy(_without_loader_keys(dataset)) | changes


def candidate_dataset(cfg: Config) -> PoolDataset:
    """The data set of all candidates, able to name its images, with nothing read yet.

    Raises:
        ADSError: if it is none of this project's data sets.
    """
    built = _pool_dataset(candidate_loader(cfg, None).dataset)
    if built is None:
        raise not_of_this_project(cfg)
    return built


def not_of_this_project(cfg: Config) -> ADSError:
    """The sentence for a pool that cannot name its images."""
    return ADSError(
        f"The data set of the pool is a {pool_config(cfg).get('type')!r}; use one of this project, "
        "such as ads_det.VOCDataset or ads_det.CocoDataset, for pool.type."
    )


def test_dataset(cfg: Config) -> PoolDataset | None:
    """The test data set with nothing read yet; None if it is none of this project's."""
    return _pool_dataset(cfg.test_dataloader.dataset)


def dataset_class(dataset: dict) -> type | None:
    """The class of a data set's config, or None if it is unknown."""
    name = dataset.get("type")
    try:
        return DATASETS.get(name) if isinstance(name, str) else name
    except RuntimeError:  # what mmengine raises for a name that it does not know
        return None


def _pool_dataset(dataset: dict) -> PoolDataset | None:
    kind = dataset_class(dataset)
    if kind is None or not issubclass(kind, PoolDataset):
        return None
    built: PoolDataset = DATASETS.build(bare_dataset(dataset, lazy_init=True))
    return built


def _without_loader_keys(dataset: dict) -> dict:
    return {k: v for k, v in dataset.items() if k not in _OF_A_LOADER}


def _listed(ids: Path | None) -> dict:
    return {} if ids is None else dict(ids=str(ids))
