"""Schedules and the length of training."""

import pytest
import torch
from helpers import CONFIGS
from mmengine.optim import CosineAnnealingLR
from torch import nn

from ads_det.active.settings import load_config
from ads_det.engine.dry_optimisers import check_optimisers
from ads_det.engine.schedulers import LateCosineLR
from ads_det.errors import ADSError

COSINE = dict(type="CosineAnnealingLR", by_epoch=True, begin=25, T_max=15)


def said(name, capsys, **options):
    cfg = load_config(CONFIGS / name, {key.replace("__", "."): v for key, v in options.items()})
    check_optimisers(cfg, nn.Linear(1, 1))
    return capsys.readouterr().out


def test_a_training_too_short_for_its_schedule_is_told_so(capsys):
    for epochs in (40, 50):
        options = dict(param_scheduler=[COSINE], train_cfg__max_epochs=epochs)
        assert "param_scheduler" not in said("ssd_small_bccd_ads.py", capsys, **options)
    options["train_cfg__max_epochs"] = 30
    out = said("ssd_small_bccd_ads.py", capsys, **options)
    assert "param_scheduler[0].T_max is reached after 40 epochs, but the training has 30: " in out
    options["train_cfg__max_epochs"] = 20
    with pytest.raises(ADSError, match=r"param_scheduler\[0\] begins after 25 epochs"):
        said("ssd_small_bccd_ads.py", capsys, **options)


@pytest.mark.parametrize(
    ("scheduler", "key"),
    [
        (dict(type="MultiStepLR", milestones=[40, 50]), "milestones is reached after 41 epochs"),
        (dict(type="MultiStepLR", milestones=[39, 50]), None),
        (dict(type="StepLR", step_size=40), "step_size is reached after 41 epochs"),
        (dict(type="LinearLR", by_epoch=False, end=2401), "end is reached after 2401 iterations"),
        (dict(type="LinearLR", by_epoch=False, end=2400), None),
    ],
)
def test_what_a_schedule_never_comes_to_is_said(scheduler, key, capsys):
    out = said("ssd_small_bccd_ads.py", capsys, param_scheduler=[scheduler])
    assert f"param_scheduler[0].{key}" in out if key else out == ""


COSINES = dict(T_max=40, end=40)
BETWEEN = dict(type="CosineAnnealingMomentum", by_epoch=False, T_max=1200, eta_min=1.5)


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (dict(type="CosineAnnealingLR", eta_min=-1.0, **COSINES), "learning rate becomes -.*below"),
        (dict(type="CosineAnnealingMomentum", eta_min=1.5, **COSINES), "the momentum becomes 1"),
        (BETWEEN, "the momentum becomes 1"),  # ends where it began
        (
            dict(type="OneCycleLR", eta_max=0.01, total_steps=2398, by_epoch=False),
            r"\(OneCycleLR\): Tried to step 2400 times.*total steps is 2398",
        ),
        (dict(type="ReduceOnPlateauLR", monitor="loss"), r"R\) waits for validations, and there"),
        (dict(type="LinearLR", by_epoch=False, begin=2400), "begins after 2400 iterations and"),
    ],
)
def test_schedules_are_played_to_their_end(scheduler, message, capsys):
    with pytest.raises(ADSError, match=r"^param_scheduler\[0\].*" + message):
        said("ssd_small_bccd_ads.py", capsys, param_scheduler=[scheduler])


def test_the_updates_of_the_last_cycle_are_counted_where_epochs_grow(capsys):
    """3 epochs of 16 + 2 * 8 images in batches of 8 have 12 updates, if no image is left out."""
    one = dict(type="OneCycleLR", eta_max=0.01, total_steps=11, by_epoch=False)
    options = dict(
        train_cfg__max_epochs=3,
        train_dataloader__batch_size=8,
        train_dataloader__sampler=dict(_delete_=True, type="DefaultSampler", shuffle=True),
        active_learning=dict(initial=16, budget=8, cycles=3),
        param_scheduler=[one],
    )
    every = dict(options, train_dataloader__dataset__filter_cfg=dict(_delete_=True))
    assert said("ssd_small_bccd_ads.py", capsys, **every) == ""
    one["total_steps"] = 10
    with pytest.raises(ADSError, match="Tried to step 12 times"):
        said("ssd_small_bccd_ads.py", capsys, **every)
    assert said("ssd_small_bccd_ads.py", capsys, **options) == ""


def test_a_learning_rate_that_ends_far_above_its_begin_is_said(capsys):
    rising = dict(type="CosineAnnealingLR", eta_min=5, **COSINES)
    out = said("ssd_small_bccd_ads.py", capsys, param_scheduler=[rising])
    assert "param_scheduler[0]: the learning rate ends at 4.99" in out
    peak = dict(type="OneCycleLR", eta_max=0.1, total_steps=40)
    assert said("ssd_small_bccd_ads.py", capsys, param_scheduler=[peak]) == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            dict(paramwise_cfg=dict(custom_keys=dict(bias=dict(lr_mutl=0.1)))),
            "custom_keys.bias.lr_mutl: .* has no such key; the nearest is 'lr_mult'",
        ),
        (
            dict(paramwise_cfg=dict(custom_keys=dict(bias=dict(lr_mult=0.1, betas=(0.5, 0.9))))),
            None,
        ),
        (dict(optimizer=dict(_delete_=True, type="LBFGS")), "LBFGS asks for a function that comp"),
    ],
)
def test_an_optimiser_reads_what_it_is_given_and_steps_alone(options, message, capsys):
    if message is None:
        assert said("ssd_small_bccd_ads.py", capsys, optim_wrapper=options) == ""
        return
    with pytest.raises(ADSError, match=r"^optim_wrapper\..*" + message):
        said("ssd_small_bccd_ads.py", capsys, optim_wrapper=options)


def test_a_cosine_without_a_length_passes_and_an_end_of_none_is_refused(capsys):
    options = dict(param_scheduler=[dict(type="CosineAnnealingLR")])
    assert said("ssd_small_bccd_ads.py", capsys, **options) == ""
    options["param_scheduler"][0]["end"] = None
    with pytest.raises(ADSError, match=r"param_scheduler\[0\]"):
        said("ssd_small_bccd_ads.py", capsys, **options)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.py")), ids=lambda path: path.stem)
def test_every_schedule_of_ours_ends_with_its_training(path, capsys):
    assert "param_scheduler" not in said(path.name, capsys)


def rates(scheduler, steps):
    found = []
    for _ in range(steps):
        found.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        scheduler.step()
    return found


def sgd():
    return torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.8)


def test_a_late_cosine_by_hand():
    late = LateCosineLR(sgd(), share=0.5, end=8, by_epoch=False)
    half = 0.5**0.5
    expected = [0.8] * 5 + [0.4 * (1 + half), 0.4, 0.4 * (1 - half)]
    assert rates(late, 8) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("share", "epochs", "begin"), [(0.375, 40, 25), (4 / 11, 11, 7)])
def test_it_is_mmengines_cosine_with_its_begin(share, epochs, begin):
    late = LateCosineLR.build_iter_from_epoch(sgd(), share=share, end=epochs, epoch_length=20)
    options = dict(begin=begin, T_max=epochs - begin, end=epochs, epoch_length=20)
    theirs = CosineAnnealingLR.build_iter_from_epoch(sgd(), **options)
    assert rates(late, 20 * epochs + 1) == rates(theirs, 20 * epochs + 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(share=0, end=8), "share is 0"),
        (dict(share=1.1, end=8), "share is 1.1"),
        (dict(share=True, end=8), "share is True"),
        (dict(share=0.5), "`end`"),
        (dict(share=0.5, end=8, T_max=4), "finds 'T_max' by itself"),
    ],
)
def test_arguments_without_meaning_are_refused(options, message):
    with pytest.raises(ADSError, match=message):
        LateCosineLR(sgd(), **options)
