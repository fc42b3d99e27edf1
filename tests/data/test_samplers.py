"""How images are dealt out to epochs, batches and processes."""

from itertools import chain

import pytest
import torch
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import DataLoader, TensorDataset

from ads_det.data.samplers import (
    FixedLengthSampler,
    RepeatedBatchSampler,
    ShardedBatchSampler,
)
from ads_det.errors import ADSError


def sampler_of(rank: int, world_size: int, size: int, num_samples: int, **options):
    """What process ``rank`` of ``world_size`` would build."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ads_det.data.samplers.get_dist_info", lambda: (rank, world_size))
        return FixedLengthSampler(range(size), num_samples, **options)


def epoch_of(sampler: FixedLengthSampler, epoch: int) -> list[int]:
    sampler.set_epoch(epoch)
    return list(sampler)


@pytest.mark.parametrize("num_samples", [1, 3, 10, 11, 25, 30])
def test_epoch_has_the_length_asked_for(num_samples):
    sampler = FixedLengthSampler(range(10), num_samples, seed=3)
    assert len(sampler) == num_samples == len(list(sampler))


def test_every_image_comes_once_before_any_comes_twice():
    for seed in range(5):
        drawn = list(FixedLengthSampler(range(10), 34, seed=seed))
        for start in range(0, 30, 10):
            assert sorted(drawn[start : start + 10]) == list(range(10))
        assert len(set(drawn[30:])) == 4
        assert drawn[:10] != drawn[10:20]


def test_order_depends_on_epoch_and_seed_and_nothing_else():
    orders = {}
    for seed in (0, 1, 2**31):
        for epoch in (0, 1, 2):
            torch.manual_seed(epoch)  # must not matter
            sampler = FixedLengthSampler(range(50), 50, seed=seed)
            order = epoch_of(sampler, epoch)
            torch.rand(7)
            assert epoch_of(sampler, epoch) == order == list(sampler)
            orders[tuple(order)] = (seed, epoch)
    assert len(orders) == 9
    assert epoch_of(FixedLengthSampler(range(50), 50), 2) == epoch_of(
        FixedLengthSampler(range(50), 50, seed=0), 2
    )


def test_drawing_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    list(FixedLengthSampler(range(50), 50, seed=1))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("num_samples", [6, 12, 30])
def test_processes_share_an_epoch(world_size, num_samples):
    """Taken in turn, their images are the epoch of a single process."""
    alone = FixedLengthSampler(range(12), num_samples, seed=5)
    for epoch in (0, 4):
        shares = [
            epoch_of(sampler_of(rank, world_size, 12, num_samples, seed=5), epoch)
            for rank in range(world_size)
        ]
        assert list(chain.from_iterable(zip(*shares, strict=True))) == epoch_of(alone, epoch)


@pytest.mark.parametrize(("world_size", "num_samples", "each"), [(2, 7, 4), (3, 7, 3), (4, 1, 1)])
def test_uneven_epochs_are_rounded_up(world_size, num_samples, each):
    samplers = [sampler_of(rank, world_size, 20, num_samples) for rank in range(world_size)]
    assert [len(sampler) for sampler in samplers] == [each] * world_size
    drawn = list(chain.from_iterable(samplers))
    assert len(set(drawn)) == len(drawn) == each * world_size


@pytest.mark.parametrize("num_samples", [0, -5, 2.5, None, "10"])
def test_length_without_meaning(num_samples):
    with pytest.raises(ADSError, match="`num_samples` of FixedLengthSampler is .*at least 1"):
        FixedLengthSampler(range(10), num_samples)


def test_nothing_to_draw_from():
    with pytest.raises(ADSError, match="data set is empty"):
        FixedLengthSampler([], 10)


def test_built_by_name_it_feeds_a_loader():
    dataset = TensorDataset(torch.arange(5))
    config = dict(type="ads_det.FixedLengthSampler", dataset=dataset, num_samples=8, seed=1)
    sampler = DATA_SAMPLERS.build(config)
    loader = DataLoader(dataset, batch_size=4, sampler=sampler)
    drawn = [int(i) for (batch,) in loader for i in batch]
    assert drawn == list(sampler)
    assert sorted(drawn[:5]) == [0, 1, 2, 3, 4]


def test_repeated_batches_end_after_the_number_asked_for_and_use_all_images_alike():
    sampler = RepeatedBatchSampler(5, batch_size=4, batches=10, seed=3)
    drawn = list(sampler)
    assert len(sampler) == len(drawn) == 10 and {len(batch) for batch in drawn} == {4}
    assert sorted(i for batch in drawn for i in batch) == sorted([*range(5)] * 8)
    assert list(sampler) == drawn  # a function of the seed
    assert list(RepeatedBatchSampler(5, batch_size=4, batches=0, seed=3)) == []


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize(("size", "batch_size"), [(12, 4), (13, 4), (3, 4), (1, 1), (7, 3), (0, 4)])
def test_batches_are_the_same_on_any_number_of_processes(world_size, size, batch_size):
    order = [10 * i for i in range(size)][::-1]
    expected = [order[start : start + batch_size] for start in range(0, size, batch_size)]
    assert list(ShardedBatchSampler(order, batch_size, 0, 1)) == expected
    shares = [
        ShardedBatchSampler(order, batch_size, rank, world_size) for rank in range(world_size)
    ]
    for rank, share in enumerate(shares):
        assert list(share) == expected[rank::world_size]
        assert len(share) == len(list(share))
    dealt = [batch for share in shares for batch in share]
    assert sorted(dealt) == sorted(expected)
    assert sum(map(len, dealt)) == size


def test_process_without_a_batch():
    assert list(ShardedBatchSampler(range(5), 4, 2, 3)) == []
    assert len(ShardedBatchSampler(range(5), 4, 2, 3)) == 0


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batch_size_without_meaning(batch_size):
    with pytest.raises(ADSError, match="`batch_size` is .*at least 1"):
        ShardedBatchSampler(range(5), batch_size, 0, 1)


def test_sharded_batches_feed_a_loader():
    dataset = TensorDataset(torch.arange(5))
    sampler = ShardedBatchSampler(range(5), 2, 1, 2)
    loader = DataLoader(dataset, batch_sampler=sampler)
    assert [batch.tolist() for (batch,) in loader] == [[2, 3]]
