"""Samplers that mmengine does not have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence, Sized

import torch
from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from ads_det.errors import ADSError
from ads_det.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class FixedLengthSampler(Sampler[int]):
    """Epochs of a fixed number of samples, whatever the size of the data set.

    A labelled set that grows from cycle to cycle then gets the same number of iterations, and
    schedules written in epochs keep their meaning. Each epoch walks random permutations of the
    data set, one after the other, so that no image is seen twice before all were seen once.

    Args:
        dataset: any sized data set.
        num_samples: images an epoch, over all processes (rounded up to a multiple of their
            number).
        seed: the same on all processes; None means 0.

    Raises:
        ADSError: if ``num_samples`` is no positive whole number or the data set is empty.
    """

    def __init__(self, dataset: Sized, num_samples: int, seed: int | None = None) -> None:
        if not isinstance(num_samples, int) or num_samples < 1:
            raise ADSError(
                f"`num_samples` of FixedLengthSampler is {num_samples!r}; give a whole number of "
                "images, at least 1."
            )
        if len(dataset) == 0:
            raise ADSError("FixedLengthSampler has nothing to draw from: the data set is empty.")
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.per_rank = math.ceil(num_samples / self.world_size)
        self.seed = seed or 0
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        total, size = self.per_rank * self.world_size, len(self.dataset)
        rounds = [torch.randperm(size, generator=generator) for _ in range(-(-total // size))]
        return iter(torch.cat(rounds)[self.rank : total : self.world_size].tolist())

    def __len__(self) -> int:
        return self.per_rank

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


class ShardedBatchSampler(Sampler[list[int]]):
    """Consecutive batches in order, dealt out whole to the processes.

    The composition of a batch does not depend on the number of processes, so a model in
    inference mode gives bit-identical outputs on one and on many; nothing is padded.

    Args:
        order: indices into the data set.
        batch_size: images a batch.
        rank: rank of this process.
        world_size: number of processes.

    Raises:
        ADSError: if ``batch_size`` is not positive.
    """

    def __init__(self, order: Sequence[int], batch_size: int, rank: int, world_size: int) -> None:
        if batch_size < 1:
            raise ADSError(f"`batch_size` is {batch_size}; give at least 1 image a batch.")
        self.batches = [
            list(order[start : start + batch_size]) for start in range(0, len(order), batch_size)
        ][rank::world_size]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class RepeatedBatchSampler(Sampler[list[int]]):
    """A fixed number of batches from random permutations one after the other, the same on every
    process.

    Args:
        length: images of the data set, at least 1.
        batch_size: images a batch; one may hold an image twice where a permutation ends.
        batches: how many.
        seed: Seed of the permutations.
    """

    def __init__(self, length: int, batch_size: int, batches: int, seed: int) -> None:
        self.length, self.batch_size, self.batches, self.seed = length, batch_size, batches, seed

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed)
        left: list[int] = []
        for _ in range(self.batches):
            while len(left) < self.batch_size:
                left += torch.randperm(self.length, generator=generator).tolist()
            yield left[: self.batch_size]
            left = left[self.batch_size :]

    def __len__(self) -> int:
        return self.batches
