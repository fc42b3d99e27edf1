"""One forward pass over the candidates, shared by the processes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_dist_info
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch import Tensor, nn

from ads_det.console import progress_bar
from ads_det.data.samplers import ShardedBatchSampler
from ads_det.engine.phases import unwrap


@torch.inference_mode()
def measure_candidates(
    model: nn.Module, dataloader: dict, measure: Callable[[Tensor, Tensor], Tensor]
) -> tuple[list[str], np.ndarray, list[str]]:
    """Apply ``measure`` to the probabilities of every image of a data set.

    The model runs in eval mode without NMS. Batches are dealt out whole to the processes, so
    the values do not depend on their number.

    Args:
        model: a TwoClassifierModel, distributed or not; its mode is restored.
        dataloader: config of the candidate loader (``dataset``, ``batch_size``,
            ``num_workers``).
        measure: from ``(y1, y2)`` of a batch to one value an image, shape (N,).

    Returns:
        Ids in the order of the data set, their values, float64, and the ids of images that could
        not be read, which are not among the others; the same on every process.
    """
    inner: Any = unwrap(model)
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
    was_training = inner.training
    inner.eval()
    try:
        local, unreadable = [], []
        for batch in progress_bar(loader, "score"):
            samples = batch["data_samples"]
            if isinstance(samples, list):  # images in memory were read before
                unreadable += [s.img_id for s in samples if s.get("unreadable", False)]
            data = inner.data_preprocessor(batch, training=False)
            local.append(measure(*inner._run_forward(data, mode="probabilities")).double().cpu())
    finally:
        inner.train(was_training)
    values = np.empty(len(ids))
    indices = np.concatenate([np.array(b) for b in sampler.batches]) if sampler.batches else []
    shard: tuple[Any, ...] = (indices, torch.cat(local).numpy() if local else [], unreadable)
    refused: set[str] = set()
    for positions, measured, names in all_gather_object(shard):
        values[np.asarray(positions, dtype=int)] = measured
        refused.update(names)
    kept = [i for i, name in enumerate(ids) if name not in refused]
    return [ids[i] for i in kept], values[kept], sorted(refused)
