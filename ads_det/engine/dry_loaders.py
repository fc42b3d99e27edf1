"""The loaders of a config and their data sets, built without images."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.registry import DATA_SAMPLERS, DATASETS
from mmengine.runner import Runner

from ads_det.data.classification import ClassificationDataset, whole_batch
from ads_det.engine.build import accepted_arguments, find_function
from ads_det.engine.config_keys import short
from ads_det.engine.config_parts import (
    NoImages,
    build_part,
    check_arguments,
    check_names,
    check_spelling,
    check_types,
    each_part,
    find_type,
    named,
)
from ads_det.engine.datasets import (
    candidate_loader,
    dataset_class,
    pool_config,
    training_dataset,
    unlabeled_dataset,
)
from ads_det.engine.declared import check_declared
from ads_det.engine.dry_pipeline import mixes_images, try_pipeline
from ads_det.engine.metric_names import kind_of
from ads_det.engine.steady_pipelines import check_boxes, check_steady
from ads_det.errors import ADSError

_OWN_DATA = ("test_dataloader", "val_dataloader")  # others show the pool
_LOADERS = ("train_dataloader", "unlabeled_dataloader", "candidate_dataloader", *_OWN_DATA)
_META = ("classes", "palette")


def check_loaders(cfg: Config) -> None:
    """Build every loader once.

    Args:
        cfg: Run config.

    Raises:
        ADSError: names the key of what cannot be built, or gives nothing that can be used.
    """
    for key in ("train_dataloader", *_OWN_DATA):
        dataset = (cfg.get(key) or {}).get("dataset")
        if isinstance(dataset, dict) and dataset.get("load_annotations") is False:
            raise ADSError(
                f"{key}.dataset.load_annotations is False, but labels are needed there; take it "
                "out."
            )
    pool = pool_config(cfg)
    for name in ("ids", "indices", "load_annotations"):
        if pool.get(name) not in (None, True):
            raise ADSError(
                f"pool.{name} is for the loop to set, which takes the images from the whole pool, "
                "with their labels; name fewer in the data set's own list (ann_file), or `exclude` "
                "some."
            )
    for key in _OWN_DATA:
        dataset = (cfg.get(key) or {}).get("dataset") or {}
        size, of_pool = _size(dataset), _size(pool)
        if dataset.get("type") == pool.get("type") and size != of_pool:
            raise ADSError(
                f"{key}.dataset.size is {size}, but pool.size is {of_pool}; a model is measured at "
                "the size that it learns at, so make them agree."
            )
    channels = {key: check_loader(cfg, key) for key in _LOADERS}
    known = {key: number for key, number in channels.items() if number is not None}
    for key, number in known.items():
        first = next(iter(known))
        if number != known[first]:
            raise ADSError(
                f"{key} gives images of {number} channel(s), but {first} of {known[first]}; "
                "make `color_type` of their LoadImageFromFile agree."
            )


def _size(dataset: dict) -> Any:
    """The size at which a data set of whole images is read."""
    kind = dataset_class(dataset)
    known = inspect.signature(kind).parameters if inspect.isclass(kind) else {}
    return dataset.get("size", known["size"].default if "size" in known else None)


def check_loader(cfg: Config, key: str) -> int | None:
    """Build one loader without its images.

    Args:
        cfg: Run config.
        key: name of the loader's block.

    Returns:
        Channels of the images that it gives, if they can be told.

    Raises:
        ADSError: as :func:`check_loaders`.
    """
    loader = cfg.get(key)
    if loader is None:
        return None
    size = loader.get("batch_size", 1)
    if type(size) is not int or size < 1:
        raise ADSError(f"{key}.batch_size is {size!r}; use a whole number of 1 or more.")
    if loader.get("timeout") and not loader.get("num_workers"):
        raise ADSError(f"{key}.timeout is for workers, and num_workers is 0; take it out.")
    _check_sampler(cfg, key, size)
    own = loader.get("dataset")
    if not isinstance(own, dict) and (own is not None or key in ("train_dataloader", *_OWN_DATA)):
        raise ADSError(f"{key}.dataset is {short(own)}; it must be a dict.")
    if key != "train_dataloader" and key not in _OWN_DATA:
        forced = sorted({"ids", "indices", "load_annotations"} & (own or {}).keys())
        if forced:
            raise ADSError(f"{key}.dataset.{forced[0]} is for the loop to set; take it out.")
    makers: dict[str, Callable[[], dict]] = {
        "train_dataloader": lambda: training_dataset(cfg, None),
        "unlabeled_dataloader": lambda: unlabeled_dataset(cfg, own or {}, None),
        "candidate_dataloader": lambda: candidate_loader(cfg, None)["dataset"],
    }
    dataset = makers.get(key, lambda: own)()
    shown = _check_dataset(dataset, f"{key}.dataset", own or {})
    if key in (*_OWN_DATA, "candidate_dataloader"):
        check_steady(dataset, f"{key}.dataset")
    is_labeled = key in ("train_dataloader", *_OWN_DATA)
    channels = None
    if shown is not None:
        channels = check_output(shown, f"{key}.dataset.pipeline", is_labeled)
    evaluator = key.replace("dataloader", "evaluator")
    metrics = (metric for _, metric in each_part(cfg.get(evaluator), evaluator))
    if shown is not None and key in _OWN_DATA and any(kind_of(m) != "CocoMetric" for m in metrics):
        check_boxes(shown, f"{key}.dataset.pipeline")
    rest = {k: v for k, v in loader.items() if k != "dataset"}
    if key not in ("train_dataloader", *_OWN_DATA):  # the others have their own order
        rest["sampler"] = dict(type="DefaultSampler")
    if not isinstance(rest.get("sampler"), dict):
        raise ADSError(f"{key}.sampler is {short(rest.get('sampler'))}; it must be a dict.")
    build_part(DATA_SAMPLERS, rest["sampler"], f"{key}.sampler", dataset=NoImages(), seed=0)
    for name in ("collate_fn", "worker_init_fn"):
        if isinstance(rest.get(name), dict):
            find_function(rest[name].get("type"), f"{key}.{name}")
    pool = dataset_class(pool_config(cfg))
    if inspect.isclass(pool) and issubclass(pool, ClassificationDataset):
        collate = (rest.get("collate_fn") or {}).get("type", "pseudo_collate")
        if find_function(collate, f"{key}.collate_fn") is not whole_batch:
            raise ADSError(
                f"{key}.collate_fn is {short(collate)}, but a classifier takes batches whole; use "
                "dict(type='ads_det.whole_batch')."
            )
    check_declared(torch.utils.data.DataLoader, rest, key)
    taken = inspect.signature(torch.utils.data.DataLoader.__init__).parameters.keys()
    check_names(rest, (*taken, "num_batch_per_epoch", "disable_subprocess_warning"), key)
    with named(key, loader):
        Runner.build_dataloader(dict(rest, dataset=NoImages()), seed=0)
    return channels


def _check_sampler(cfg: Config, key: str, size: int) -> None:
    """Refuse an epoch that has no end, or no batch."""
    loader = cfg[key]
    sampler = loader.get("sampler")
    given = sampler if isinstance(sampler, dict) else {}
    kind = str(given.get("type")).rpartition(".")[2]
    by_epoch = "Iter" not in str((cfg.get("train_cfg") or {}).get("type", ""))
    if "Infinite" in kind and (key in _OWN_DATA or (key == "train_dataloader" and by_epoch)):
        raise ADSError(f"{key}.sampler ({kind}) never ends; use DefaultSampler.")
    found = DATA_SAMPLERS.get(given.get("type")) if isinstance(given.get("type"), str) else None
    if key != "train_dataloader" and found is not None and not issubclass(found, DefaultSampler):
        why = "may leave images out, but each one counts there"
        why = why if key in (*_OWN_DATA, "candidate_dataloader") else "is for the loop to set"
        raise ADSError(f"{key}.sampler ({kind}) {why}; use DefaultSampler, or take it out.")
    most = given.get("num_samples")
    if key == "train_dataloader" and loader.get("drop_last"):
        initial = (cfg.get("active_learning") or {}).get("initial")
        most = most if most is not None else initial
        if type(most) is int and most < size:
            raise ADSError(
                f"{key}.drop_last leaves no batch: batch_size is {size}, but an epoch has {most} "
                "images; take drop_last out or lower batch_size."
            )


def check_output(shown: dict[str, Any], path: str, is_labeled: bool) -> int:
    """See that what a pipeline made of an image can be used.

    Args:
        shown: what came out.
        path: key of the pipeline.
        is_labeled: whether labels are to come out too.

    Returns:
        How many channels it has.

    Raises:
        ADSError: if the pipeline ends too soon, or loads no labels.
    """
    sample = shown.get("data_samples")
    if not isinstance(shown.get("inputs"), torch.Tensor) or sample is None:
        raise ADSError(f"{path} ends without a batch to be made; end it with PackDetInputs.")
    if is_labeled and "labels" not in (sample.get("gt_instances") or {}):
        raise ADSError(f"{path} loads no labels; add dict(type='LoadAnnotations', with_bbox=True).")
    return int(shown["inputs"].shape[0])


def _packs(step: Any) -> bool:
    return isinstance(step, dict) and kind_of(step) == "PackDetInputs"


def _check_dataset(dataset: dict, path: str, own: dict) -> dict[str, Any] | None:
    """The data set without its data: its class, arguments and pipeline; what that makes of an
    image, if it can be tried."""
    inherited = {k: v for k, v in dataset.items() if k not in own}
    place = path if "type" in own or "type" not in inherited else "pool"
    kind = find_type(DATASETS, dataset.get("type"), f"{place}")
    for name, value in dataset.items():
        inner = [value] if name == "dataset" else value if name == "datasets" else []
        for part in inner if isinstance(inner, (list, tuple)) else [inner]:
            _check_dataset(part if isinstance(part, dict) else {}, f"{path}.{name}", part)
    for part, where in ((own, path), (inherited, "pool")):
        check_arguments(kind, part, where)
    steps, filters = dataset.get("pipeline"), dataset.get("filter_cfg")
    if "pipeline" in accepted_arguments(kind) and not (steps and isinstance(steps, (list, tuple))):
        raise ADSError(f"{path}.pipeline is {short(steps)}; it must be a list of transforms.")
    check_spelling(filters, ("filter_empty_gt", "min_size"), f"{path}.filter_cfg")
    check_spelling(dataset.get("metainfo"), _META, f"{path}.metainfo")
    check_types(dataset, place, DATASETS)
    mixes = mixes_images(dataset, place)
    shown = try_pipeline(steps or (), f"{path}.pipeline", mixes)
    if mixes and any(_packs(step) for step in dataset["dataset"].get("pipeline") or ()):
        raise ADSError(
            f"{path}.dataset.pipeline packs its images before {path}.pipeline mixes them; take "
            "PackDetInputs out there."
        )
    if "lazy_init" in accepted_arguments(kind) and "dataset" not in dataset:
        with named(place, dataset):
            DATASETS.build(dict(dataset, lazy_init=True))
    return shown
