"""One forward pass over the candidates, shared by the processes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_dist_info
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ads_det.console import progress_bar
from ads_det.core.outputs import FEATURES, MEMBERS
from ads_det.data.samplers import ShardedBatchSampler
from ads_det.engine.phases import unwrap
from ads_det.errors import ADSError

if TYPE_CHECKING:  # strategies measure images themselves, in their stage
    from ads_det.active.strategies import Accumulator


@dataclass(frozen=True)
class Measurement:
    """What a forward pass said of the images of a data set, the same on every process.

    Args:
        ids: in the order of the data set, without those of unreadable images.
        values: what the strategy measured: shape (N,) or (N, K), float64, or a list of N items;
            None if nothing was measured.
        features: pooled, shape (N, D), float32; None if none were asked for.
        unreadable: ids of images that could not be read.
    """

    ids: list[str]
    values: Any
    features: np.ndarray | None
    unreadable: list[str]


def scorable_model(model: nn.Module) -> Any:
    """The model inside a distributed wrapper as a :class:`~ads_det.models.base.ScorableModel`:
    itself, or a detector of mmdet in a :class:`~ads_det.models.foreign.ForeignDetector`."""
    # not above: it imports mmdet's models, whose warnings only a running tool keeps quiet
    from ads_det.models.foreign import scorable

    return scorable(unwrap(model))


def ensemble_of(models: Sequence[nn.Module]) -> nn.Module:
    """Several trained models as one that predicts by their mean, in eval mode."""
    from ads_det.models.ensemble import Ensemble  # not above, as in scorable_model

    return Ensemble(models).to(next(models[0].parameters()).device).eval()


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
    models: Sequence[nn.Module],
    dataloader: dict,
    needs: frozenset[str],
    accumulator: Callable[[], Accumulator] | None = None,
    pass_seeds: Sequence[int | None] = (None,),
    min_members: int = 1,
) -> Measurement:
    """Ask models for their outputs of every image of a data set.

    They run in eval mode. Batches are dealt out whole to the processes, and the masks of dropout
    are a function of the seed of a pass, so the values do not depend on the number of processes.

    Args:
        models: members of an ensemble, or one: each a TwoClassifierModel or any detector of
            mmdet, distributed or not; their mode is restored.
        dataloader: config of the loader (``dataset``, ``batch_size``, ``num_workers``).
        needs: names of :class:`~ads_det.core.outputs.Outputs` to compute. With ``'features'`` the
            pooled features of the first model are kept.
        accumulator: makes what takes the outputs of one batch, model after model and pass after
            pass, and gives the values of its images; None measures nothing.
        pass_seeds: one pass over the classifiers for each; None is one without dropout.
        min_members: predictions of an image that the accumulator compares at least.

    Raises:
        ADSError: if a model does not provide what is needed, or there are fewer predictions.
    """
    inner = [scorable_model(model) for model in models]
    ids, positions, loader = build_shard(dataloader)
    values: list[Any] = []
    features: list[Tensor] = []
    unreadable: list[str] = []
    with ExitStack() as stack:
        for model in models:
            stack.enter_context(evaluating(unwrap(model)))
        for batch in progress_bar(loader, "score"):
            samples = batch["data_samples"]
            if isinstance(samples, list):  # images in memory were read before
                unreadable += [s.img_id for s in samples if s.get("unreadable", False)]
            data = inner[0].data_preprocessor(batch, training=False)
            taken = accumulator() if accumulator is not None else None
            members = 0
            for place, model in enumerate(inner):
                wanted = needs if place == 0 else needs - {FEATURES}
                for outputs in model.passes(**data, needs=wanted, seeds=pass_seeds):
                    members += len(outputs.members)
                    if taken is not None:
                        taken.add(outputs)
                if place == 0 and outputs.features is not None:
                    features.append(outputs.features.cpu())
            if members < min_members and MEMBERS in needs:
                raise ADSError(
                    f"The strategy compares at least {min_members} predictions of an image, but "
                    f"the model gives {members}; use another strategy."
                )
            if taken is not None:
                values.append(_on_cpu(taken.result()))
    own = dict(
        values=_joined(values) if accumulator is not None else None,
        features=_joined(features) if FEATURES in needs else None,
    )
    shards: list[Any] = all_gather_object((positions, own, unreadable))
    refused = {name for _, _, names in shards for name in names}
    kept = [i for i, name in enumerate(ids) if name not in refused]
    return Measurement(
        [ids[i] for i in kept],
        _assemble(shards, "values", len(ids), kept),
        _assemble(shards, "features", len(ids), kept),
        sorted(refused),
    )


def _on_cpu(values: Any) -> Any:
    """Numbers of a batch as float64; items of another kind as they are."""
    return values.double().cpu() if isinstance(values, Tensor) else list(values)


def _joined(parts: list[Any]) -> Any:
    """Of all batches of a process: an array, a list, or None without any batch."""
    if not parts:
        return None
    if isinstance(parts[0], Tensor):
        return torch.cat(parts).numpy()
    return [item for part in parts for item in part]


def _assemble(shards: list[Any], name: str, length: int, kept: list[int]) -> Any:
    """The kept items in the order of the data set, from the parts of all processes."""
    first = shards[0][1][name]  # the first process always has a batch
    if first is None:
        return None
    if isinstance(first, list):
        items: list[Any] = [None] * length
        for positions, own, _ in shards:
            for i, item in zip(positions, own[name] or (), strict=True):
                items[i] = item
        return [items[i] for i in kept]
    whole = np.empty((length, *first.shape[1:]), first.dtype)
    for positions, own, _ in shards:
        if positions:
            whole[positions] = own[name]
    return whole[kept]
