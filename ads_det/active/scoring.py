"""One forward pass over the candidates, shared by the processes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_dist_info
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ads_det.console import progress_bar
from ads_det.data.samplers import ShardedBatchSampler
from ads_det.engine.phases import unwrap


@dataclass(frozen=True)
class Measurement:
    """What a forward pass said of the images of a data set, the same on every process.

    Args:
        ids: in the order of the data set, without those of unreadable images.
        values: of a strategy's ``measure``, shape (N,) or (N, K), float64; None if none was asked
            for.
        features: pooled, shape (N, D), float32; None if none were asked for.
        unreadable: ids of images that could not be read.
    """

    ids: list[str]
    values: np.ndarray | None
    features: np.ndarray | None
    unreadable: list[str]


def with_probabilities(model: nn.Module) -> Any:
    """The model inside a distributed wrapper, able to give probabilities: itself, or a detector
    of mmdet in a :class:`~ads_det.models.plain.PlainDetector`."""
    # not above: it imports mmdet's models, whose warnings only a running tool keeps quiet
    from ads_det.models.plain import as_two_classifiers

    return as_two_classifiers(unwrap(model))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside the block, the mode of before after it."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def build_shard(dataloader: dict) -> tuple[list[str], list[int], DataLoader]:
    """The batches of a data set that are this process's, dealt out whole.

    Args:
        dataloader: config of the loader (``dataset``, ``batch_size``, ``num_workers``).

    Returns:
        The ids of all images in the order of the data set, the positions among them of those
        that this process sees, and the loader of these.
    """
    cfg = copy.deepcopy(dataloader)
    dataset = DATASETS.build(cfg.pop("dataset"))
    dataset.full_init()
    ids = [dataset.get_data_info(i)["img_id"] for i in range(len(dataset))]
    rank, world_size = get_dist_info()
    sampler = ShardedBatchSampler(range(len(dataset)), cfg.pop("batch_size"), rank, world_size)
    # a batch sampler given ready-made: the `sampler` entry must be there, and None
    loader = Runner.build_dataloader(
        cfg | dict(dataset=dataset, sampler=None, batch_sampler=sampler)
    )
    return ids, [i for batch in sampler.batches for i in batch], loader


@torch.inference_mode()
def measure_images(
    model: nn.Module,
    dataloader: dict,
    measure: Callable[[Tensor, Tensor], Tensor] | None,
    features: bool = False,
) -> Measurement:
    """Apply ``measure`` to the probabilities of every image of a data set.

    The model runs in eval mode, without NMS if it is a TwoClassifierModel. Batches are dealt out
    whole to the processes, so the values do not depend on their number.

    Args:
        model: a TwoClassifierModel or any detector of mmdet, see
            :class:`~ads_det.models.plain.PlainDetector`; distributed or not; its mode is restored.
        dataloader: config of the loader (``dataset``, ``batch_size``, ``num_workers``).
        measure: from ``(y1, y2)`` of a batch to one value an image, shape (N,), or several,
            shape (N, K); or None.
        features: whether to keep the pooled features.
    """
    inner = with_probabilities(model)
    ids, positions, loader = build_shard(dataloader)
    parts: dict[str, list[Tensor]] = dict(values=[], features=[])
    unreadable: list[str] = []
    with evaluating(unwrap(model)):
        for batch in progress_bar(loader, "score"):
            samples = batch["data_samples"]
            if isinstance(samples, list):  # images in memory were read before
                unreadable += [s.img_id for s in samples if s.get("unreadable", False)]
            data = inner.data_preprocessor(batch, training=False)
            mode = "features" if features else "probabilities"
            y1, y2, *pooled = inner._run_forward(data, mode=mode)
            if measure is not None:
                parts["values"].append(measure(y1, y2).double().cpu())
            if pooled:
                parts["features"].append(pooled[0].cpu())
    own = {name: torch.cat(part).numpy() for name, part in parts.items() if part}
    shards: list[Any] = all_gather_object((positions, own, unreadable))
    refused = {name for _, _, names in shards for name in names}
    kept = [i for i, name in enumerate(ids) if name not in refused]
    whole = {name: _assemble(shards, name, len(ids))[kept] for name in shards[0][1]}
    return Measurement(
        [ids[i] for i in kept], whole.get("values"), whole.get("features"), sorted(refused)
    )


def _assemble(shards: list[Any], name: str, length: int) -> np.ndarray:
    """One array in the order of the data set from the parts of all processes."""
    first = shards[0][1][name]  # the first process always has a batch
    whole = np.empty((length, *first.shape[1:]), first.dtype)
    for positions, own, _ in shards:
        if positions:
            whole[positions] = own[name]
    return whole
