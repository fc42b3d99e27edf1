"""Loaders with workers: they wait as long as they are told."""

import time

import pytest
from torch.utils.data import DataLoader, Dataset

from ads_det.engine.runner import CycleRunner
from ads_det.engine.watched_loader import WatchedLoader


class Slow(Dataset):
    """Takes a time for the first of its images."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __len__(self):
        return 2

    def __getitem__(self, index):
        time.sleep(self.seconds * (index == 0))
        return index


def test_without_a_timeout_it_waits(monkeypatch):
    monkeypatch.setattr("ads_det.engine.watched_loader.LOOK", 0.01)
    loader = WatchedLoader(Slow(0.05), num_workers=1)
    assert [batch.item() for batch in loader] == [0, 1]


def test_with_a_timeout_it_stops_after_some_looks(monkeypatch):
    monkeypatch.setattr("ads_det.engine.watched_loader.LOOK", 0.03)
    batches = iter(WatchedLoader(Slow(0.2), num_workers=1, timeout=0.1))
    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.1 seconds"):
        next(batches)


def test_a_loader_of_another_class_stays_what_it_is():
    class Own(DataLoader):
        pass

    own = Own([1, 2])
    assert CycleRunner.build_dataloader(own) is own and type(own) is Own
    assert type(CycleRunner.build_dataloader(DataLoader([1, 2]))) is WatchedLoader
