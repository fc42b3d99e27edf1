"""The pool of a config as the data sets of training, phases and scoring."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS

from ads_det.data.classes import check_same_classes
from ads_det.data.classification import ClassificationDataset
from ads_det.data.notes import and_more
from ads_det.data.overlap import check_test_images
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
    dataset = (loader.get("dataset") if isinstance(loader, dict) else loader) or {}
    for key, value in (("pool", pool), ("train_dataloader.dataset", dataset)):
        if not isinstance(value, dict):
            raise ADSError(f"{key} is {str(value)[:60]!r}; it must be a dict.")
    while isinstance(dataset.get("dataset"), dict):  # inside wrappers such as RepeatDataset
        dataset = dataset["dataset"]
    return ConfigDict(pool | _without_loader_keys(dataset))


def training_dataset(cfg: Config, ids: Path | None) -> dict:
    """The labelled images listed in a file (None for all), as they are trained on."""
    return _of_pool(cfg, cfg.train_dataloader.dataset, ids)


def _of_pool(cfg: Config, dataset: dict, ids: Path | None) -> dict:
    """The pool as a data set prepares it, inside the wrappers that it may have."""
    if isinstance(dataset.get("dataset"), dict):
        inner = _of_pool(cfg, dataset["dataset"], ids)
        return ConfigDict(copy.deepcopy(dataset) | dict(dataset=inner))
    own = {k: v for k, v in dataset.items() if k in _OF_A_LOADER}
    return ConfigDict(pool_config(cfg) | copy.deepcopy(own) | _listed(ids))


def unlabeled_dataset(cfg: Config, override: dict, ids: Path | None) -> dict:
    """The images listed in a file (None for all), without annotations.

    Args:
        cfg: the run's config.
        override: keys of a loader's data set, such as the pipeline.
        ids: list of ids.
    """
    unlabeled = pool_config(cfg) | copy.deepcopy(override)
    return ConfigDict(unlabeled | dict(load_annotations=False, ids=None) | _listed(ids))


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
    check_pool_type(cfg)
    built = _pool_dataset(candidate_loader(cfg, None).dataset)
    assert built is not None
    return built


def check_pool_type(cfg: Config) -> None:
    """Refuse a pool whose images cannot be named.

    Raises:
        ADSError: if its data set is none of this project's.
    """
    kind = dataset_class(pool_config(cfg))
    if kind is None or not issubclass(kind, PoolDataset):
        raise not_of_this_project(cfg)


def not_of_this_project(cfg: Config) -> ADSError:
    """The sentence for a pool that cannot name its images."""
    return ADSError(
        f"The data set of the pool is a {pool_config(cfg).get('type')!r}; use one of this project, "
        "such as ads_det.VOCDataset or ads_det.CocoDataset, for pool.type."
    )


def test_dataset(cfg: Config) -> PoolDataset | None:
    """The test data set with nothing read yet; None if it is none of this project's."""
    return _pool_dataset(numbered_test_dataset(cfg))


def numbered_test_dataset(cfg: Config, classes: Sequence[str] = ()) -> dict:
    """Config of the test data set; where folders are the classes they get the numbers that they
    have in the pool, or in ``classes`` if given, whichever of them are there."""
    dataset: dict = copy.deepcopy(cfg.test_dataloader.dataset)
    if getattr(dataset_class(dataset), "takes_classes", False) and not dataset.get("classes"):
        dataset["classes"] = list(classes or candidate_dataset(cfg).known_classes())
    return dataset


def class_names(dataset: dict) -> list[str]:
    """Names of a data set's classes by its config, as far as they are known without reading
    images."""
    built = _pool_dataset(dataset)
    if built is not None:
        return list(built.known_classes())
    kind = dataset_class(dataset)
    if not hasattr(kind, "_load_metainfo"):  # a wrapper, or no data set of mmengine
        return []
    return list(kind._load_metainfo(dataset.get("metainfo")).get("classes") or ())


def check_data(cfg: Config, pool: PoolDataset, allow_test_in_pool: bool, simulated: bool) -> None:
    """What of pool and test data would make every result wrong.

    Args:
        cfg: the run's config.
        pool: its data set.
        allow_test_in_pool: whether test images may be in the pool.
        simulated: whether the data set knows all labels of the pool.

    Raises:
        ADSError: if the two number classes in different ways or share an image, or a class does
            not occur.
    """
    if isinstance(pool, ClassificationDataset) and len(pool.known_classes()) == 1:
        raise ADSError(
            f"{pool.where()} has images of one class, so there is nothing to tell apart; add "
            "images of another class."
        )
    names = class_names(numbered_test_dataset(cfg))
    check_same_classes(pool.known_classes(), "The pool", names, "the test data set")
    test = test_dataset(cfg)
    if test is not None and not allow_test_in_pool:
        check_test_images(pool, test)
    absent = pool.absent_classes() if simulated and pool.image_ids() else []
    if absent:
        raise ADSError(
            f"No label of {pool.where()} names the class {absent[0]!r}{and_more(len(absent) - 1)}; "
            "correct `metainfo.classes`, or add images that show it."
        )


def check_test_objects(test: PoolDataset) -> None:
    """Read all labels of the test images, and refuse those that show nothing.

    Raises:
        ADSError: if a label cannot be read, or none names one of the classes.
    """
    if not any(test.count_objects().values()):
        raise ADSError(
            f"No label of the test images ({test.where()}) names one of the classes "
            f"{', '.join(list(test.known_classes())[:5])}, so nothing can be measured on them; "
            "correct test_dataloader.dataset, or label test images that show objects."
        )


def check_checkpoint(content: Any, path: str | Path, cfg: Config) -> None:
    """The classes of a checkpoint, where it names them, must be those of the data.

    Args:
        content: Content of the checkpoint.
        path: Path of the checkpoint.
        cfg: names the data sets.

    Raises:
        ADSError: names the first difference.
    """
    names = classes_of_checkpoint(content)
    for where, dataset in ("pool", pool_config(cfg)), ("test data set", _test_config(cfg)):
        known = class_names(dataset) if dataset.get("type") else []
        check_same_classes(names, f"The checkpoint {path}", known, f"the {where}")


def classes_of_checkpoint(content: Any) -> list[str]:
    """Names of the classes that a checkpoint was trained on; none if it does not say."""
    meta = content.get("meta") if isinstance(content, dict) else None
    data = meta.get("dataset_meta") if isinstance(meta, dict) else None
    for source in (data, meta):  # mmdet 3 and, in the latter, mmdet 2
        for key in ("classes", "CLASSES"):
            names = source.get(key) if isinstance(source, dict) else None
            if isinstance(names, (list, tuple)) and names:
                return [str(name) for name in names]
    return []


def _test_config(cfg: Config) -> dict:
    dataset: dict = (cfg.get("test_dataloader") or {}).get("dataset") or {}
    # its folders get the numbers of the checkpoint
    return {} if getattr(dataset_class(dataset), "takes_classes", False) else dataset


def dataset_class(dataset: dict) -> type | None:
    """The class of a data set's config, or None if it is unknown."""
    name = dataset.get("type")
    if not isinstance(name, str):
        return name
    try:
        with DATASETS.switch_scope_and_registry(None) as registry:  # as `build` finds it
            return registry.get(name)
    except Exception:  # mmengine tries to import what it does not know
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
