"""One forward pass over the candidates, shared by the processes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.dist import all_gather, all_gather_object, get_dist_info
from mmengine.registry import DATASETS
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ads_det.console import progress_bar
from ads_det.core.outputs import FEATURES, MEMBERS
from ads_det.data.samplers import ShardedBatchSampler
from ads_det.distributed import from_main
from ads_det.engine.config_keys import short
from ads_det.engine.phases import unwrap
from ads_det.engine.runner import CycleRunner
from ads_det.errors import ADSError

if TYPE_CHECKING:  # strategies measure images themselves, in their stage
    from ads_det.active.strategies import Accumulator


@dataclass(frozen=True)
class Measurement:
    """What a forward pass said of the images of a data set, the same on every process.

    Args:
        ids: Ids in the order of the data set, without those of unreadable images.
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
    """Eval mode inside the block; restores the previous mode."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def build_shard(dataloader: dict) -> tuple[list[str], list[list[int]], DataLoader]:
    """The batches of a data set that are this process's, dealt out whole.

    Args:
        dataloader: config of the loader (``dataset``, ``batch_size``, ``num_workers``).

    Returns:
        The ids of all images in the order of the data set, the positions among them of those
        that each process sees, and the loader of this one's.
    """
    cfg = copy.deepcopy(dataloader)
    dataset = DATASETS.build(cfg.pop("dataset"))
    ids = dataset.loaded_ids()
    rank, world_size = get_dist_info()
    size = cfg.pop("batch_size")
    samplers = [
        ShardedBatchSampler(range(len(ids)), size, r, world_size) for r in range(world_size)
    ]
    sampler = samplers[rank]
    # a batch sampler given ready-made: the `sampler` entry must be there, and None
    loader = CycleRunner.build_dataloader(
        cfg | dict(dataset=dataset, sampler=None, batch_sampler=sampler)
    )
    return ids, [[i for batch in s.batches for i in batch] for s in samplers], loader


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
                values.append(_kept(taken.result(), len(batch["inputs"])))
    refused = {name for names in all_gather_object(unreadable) for name in names}
    all_values, all_features = (_assembled(part, positions) for part in (values, features))
    if refused:
        kept = [i for i, name in enumerate(ids) if name not in refused]
        ids = [ids[i] for i in kept]
        all_values, all_features = (_only(part, kept) for part in (all_values, all_features))
    return Measurement(ids, all_values, all_features, sorted(refused))


def _kept(values: Any, images: int) -> Any:
    """What was measured of the images of a batch: numbers as float64, copied because the strategy
    may reuse the buffer; items of another kind as they are.

    Raises:
        ValueError: if that is not one value, row or item an image.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        values = torch.from_numpy(np.array(values, dtype=np.float64))
    if not isinstance(values, Tensor):
        try:
            if isinstance(values, (str, Mapping, Set)):
                raise TypeError
            values = list(values)
        except TypeError as error:
            raise ValueError(f"it measured {short(values)} of {images} images") from error
    if isinstance(values, Tensor) and (not values.dim() or values.is_complex()):
        raise ValueError(
            f"it measured a tensor of the type {values.dtype} and the shape {tuple(values.shape)} "
            f"of {images} images; return real numbers, one or a row for each"
        )
    if len(values) != images:
        raise ValueError(
            f"it measured {len(values)} value(s) of a batch of {images} images; return one for each"
        )
    if isinstance(values, Tensor):
        return values.detach().to("cpu", torch.float64, copy=True)
    return values


def _assembled(batches: list[Any], positions: list[list[int]]) -> Any:
    """What all processes measured, in the order of the data set.

    Numbers travel as tensors; only items of another kind are pickled.

    Args:
        batches: what this process measured, a tensor or a list a batch.
        positions: Positions of the images that each process saw.

    Returns:
        An array, a list, or None if nothing was measured.
    """
    # the first process always has a batch, another may have none
    kind = from_main(lambda: _kind(batches))
    if kind is None:
        return None
    length = sum(map(len, positions))
    if kind is list:
        items: list[Any] = [None] * length
        for places, found in zip(positions, all_gather_object([i for b in batches for i in b])):
            for i, item in zip(places, found, strict=True):
                items[i] = item
        return items
    shape, dtype = kind
    own = torch.cat(batches) if batches else torch.empty((0, *shape), dtype=dtype)
    padding = own.new_zeros((len(positions[0]) - len(own), *shape))  # the first sees the most
    whole = torch.empty((length, *shape), dtype=dtype)
    for places, found in zip(positions, all_gather(torch.cat([own, padding]))):
        whole[places] = found[: len(places)].to(whole.device)
    return whole.numpy()


def _kind(batches: list[Any]) -> Any:
    """``list``, or shape of an image's values and their type, or None without any batch."""
    if not batches:
        return None
    first = batches[0]
    return (tuple(first.shape[1:]), first.dtype) if isinstance(first, Tensor) else list


def _only(values: Any, kept: list[int]) -> Any:
    """Those of some images."""
    if values is None or isinstance(values, np.ndarray):
        return values if values is None else values[kept]
    return [values[i] for i in kept]
