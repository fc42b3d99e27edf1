"""Gradients of several batches in one update, where an epoch's batches do not come out even."""

import pytest
from helpers import build_runner, moved, state_of
from torch import nn

from ads_det.engine.methods import ads as ads_method
from ads_det.engine.phases import unwrap

FOUR = {"optim_wrapper.accumulative_counts": 4}  # an epoch has two batches


def test_no_label_gradient_waits_when_a_phase_begins(digits, tmp_path, monkeypatch):
    original, seen = ads_method.run_agreement, []

    def watched(model, *args, **kwargs):
        heads = nn.ModuleList(unwrap(model).classifiers())
        before = state_of(heads)
        seen.append([p.grad for p in model.parameters() if p.grad is not None])
        stats = original(model, *args, **kwargs)
        assert not moved(before, heads)
        return stats

    monkeypatch.setattr(ads_method, "run_agreement", watched)
    build_runner(digits, tmp_path, **FOUR).train()
    assert len(seen) == 2 and not any(seen)


@pytest.mark.parametrize("method", ["ads_det.Plain", "ads_det.ADS"])
def test_a_training_cut_between_epochs_ends_the_same(digits, tmp_path, method):
    options = FOUR | {"method.type": method}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    uninterrupted = build_runner(digits, whole, **options)
    begun = state_of(uninterrupted.model)
    uninterrupted.train()
    first = build_runner(digits, cut, **options)
    first.hooks[-1].before_train_epoch = stop_in_the_second
    with pytest.raises(InterruptedError):
        first.train()
    second = build_runner(digits, cut, **options)
    second.train()
    assert not moved(state_of(uninterrupted.model), second.model)
    assert moved(begun, second.model)


def stop_in_the_second(runner):
    """Two batches of four were seen by then."""
    if runner.epoch == 1:
        raise InterruptedError
