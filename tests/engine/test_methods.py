"""The hook in real training runs."""

import json
from pathlib import Path

import pytest
import torch
from helpers import moved, state_of, tiny_config

from ads_det.engine import ads_hook
from ads_det.engine.ads_hook import ADSHook
from ads_det.engine.runner import CycleRunner
from ads_det.engine.training import training_config
from ads_det.errors import ADSError
from ads_det.files import write_ids


def build_runner(digits, work_dir, labeled=6, unlabeled=12, **options):
    cfg = tiny_config(digits, **options)
    ids = (digits / "ImageSets/Main/trainval.txt").read_text().split()
    write_ids(work_dir / "labeled.txt", ids[:labeled])
    write_ids(work_dir / "unlabeled.txt", ids[labeled : labeled + unlabeled])
    return CycleRunner.from_cfg(
        training_config(
            cfg, work_dir / "train", work_dir / "labeled.txt", work_dir / "unlabeled.txt", seed=3
        )
    )


@pytest.fixture
def recorded(monkeypatch):
    """The order in which phases and label epochs really run."""
    events = []
    for name in ("agreement", "discrepancy"):
        original = getattr(ads_hook, f"run_{name}")

        def record(*args, _name=name, _original=original, **kwargs):
            events.append(_name)
            return _original(*args, **kwargs)

        monkeypatch.setattr(ads_hook, f"run_{name}", record)
    step = CycleRunner.call_hook

    def call_hook(self, fn_name, **kwargs):
        if fn_name == "before_train_iter" and kwargs["batch_idx"] == 0:
            events.append(f"label {self.epoch}")
        step(self, fn_name, **kwargs)

    monkeypatch.setattr(CycleRunner, "call_hook", call_hook)
    return events


def test_algorithm_1(digits, tmp_path, recorded):
    build_runner(digits, tmp_path).train()
    ads = ["agreement", "discrepancy"]
    assert recorded == ["label 0", *ads, "label 1", *ads, "label 2"]


def test_interval_begin_and_epochs(digits, tmp_path, recorded):
    options = {
        "method.interval": 2,
        "method.begin": 1,
        "method.epochs": 1,
        "train_cfg.max_epochs": 5,
    }
    build_runner(digits, tmp_path, **options).train()
    labels = [f"label {e}" for e in range(5)]
    assert recorded == [labels[0], "agreement", "discrepancy", *labels[1:]]


def test_is_due_spreads_30_ads_epochs_over_150():
    hook = ADSHook(interval=5, begin=1, epochs=30)
    due = [epoch for epoch in range(150) if hook.is_due(epoch)]
    assert due == list(range(1, 147, 5)) and len(due) == 30


def test_logs_reach_message_hub_and_json(digits, tmp_path):
    runner = build_runner(digits, tmp_path)
    runner.train()
    keys = {
        f"{phase}_{value}"
        for phase in ("agreement", "discrepancy")
        for value in ("loss", "entropy", "discrepancy", "images")
    }
    for key in keys:
        assert runner.message_hub.get_scalar(f"train/{key}").current() > 0
    (scalars,) = Path(tmp_path, "train").glob("*/vis_data/scalars.json")
    last = json.loads(scalars.read_text().splitlines()[-1])
    assert keys <= last.keys()
    assert last["agreement_images"] == 8
    history = runner.message_hub.get_scalar("train/agreement_loss")
    assert last["agreement_loss"] == pytest.approx(history.current(), abs=1e-4)
    assert history.data[0][0] != history.data[0][1]  # so it is no mean over ADS epochs


def test_phase_learning_rates_follow_the_schedule(digits, tmp_path):
    runner = build_runner(digits, tmp_path, **{"method.agreement": dict(lr_mult=0.5)})
    rates = []
    original = ADSHook._run_phase

    def run_phase(self, runner, phase):
        stats = original(self, runner, phase)
        rates.append((phase, self._optim_wrappers[phase].param_groups[0]["lr"]))
        return stats

    try:
        ADSHook._run_phase = run_phase
        runner.train()
    finally:
        ADSHook._run_phase = original
    expected = [
        ("agreement", 0.005),
        ("discrepancy", 0.01),
        ("agreement", 0.0005),
        ("discrepancy", 0.001),
    ]
    assert [name for name, _ in rates] == [name for name, _ in expected]
    assert [r for _, r in rates] == pytest.approx([r for _, r in expected])


def test_a_phase_with_rate_zero_leaves_label_training_as_without_it(digits, tmp_path):
    """Phases draw no random number that label training would have drawn."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    still = dict(lr_mult=0.0)
    options = {"method.agreement": still, "method.discrepancy": still}
    with_phases = build_runner(digits, tmp_path / "a", **options)
    with_phases.train()
    without = build_runner(digits, tmp_path / "b", method="ads_det.Plain")
    without.train()
    names = moved(state_of(without.model), with_phases.model)
    # BatchNorm statistics of unlabelled batches, and nothing else
    assert names and all("running" in n or "num_batches" in n for n in names)


def test_a_phase_with_an_optimizer_of_its_own_keeps_its_rate(digits, tmp_path):
    options = {"method.discrepancy": dict(optimizer=dict(type="SGD", lr=0.007))}
    runner = build_runner(digits, tmp_path, **options)
    runner.train()
    (hook,) = (h for h in runner.hooks if isinstance(h, ADSHook))
    rates = {p: w.param_groups[0]["lr"] for p, w in hook._optim_wrappers.items()}
    assert rates == pytest.approx(dict(agreement=0.001, discrepancy=0.007))
    group = hook._optim_wrappers["discrepancy"].param_groups[0]
    assert (group["momentum"], group["weight_decay"]) == (0, 0)


def test_resume_between_epochs_is_exact(digits, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    uninterrupted = build_runner(digits, whole)
    uninterrupted.train()
    first = build_runner(digits, cut)

    class Stop(Exception):
        pass

    def stop(runner):
        if runner.epoch == 2:
            raise Stop

    first.hooks[-1].before_train_epoch = stop
    with pytest.raises(Stop):
        first.train()
    second = build_runner(digits, cut)
    second.train()
    assert not moved(state_of(uninterrupted.model), second.model)


def test_empty_pool_trains_on_labels_alone(digits, tmp_path, recorded):
    build_runner(digits, tmp_path, unlabeled=0).train()
    assert recorded == ["label 0", "label 1", "label 2"]


def test_a_plain_model_refuses_the_hook(digits, tmp_path):
    runner = build_runner(digits, tmp_path, **{"model.bbox_head.num_classifiers": 1})
    with pytest.raises(ADSError, match="num_classifiers=2"):
        runner.train()


def test_nan_loss_stops_with_one_sentence(digits, tmp_path):
    runner = build_runner(digits, tmp_path, **{"optim_wrapper.optimizer.lr": 1e30, "ads": None})
    with pytest.raises(ADSError, match=r"not finite in epoch \d+, iteration \d+"):
        runner.train()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(begin=0), "begin is 0"),
        (dict(interval=0), "interval is 0"),
        (dict(positive_filter="yes"), "positive_filter is 'yes'"),
        (dict(weighting="x"), "weighting is 'x'"),
        (dict(tau=None), "tau is None"),
        (dict(images_per_epoch=0), "images_per_epoch is 0"),
        (dict(images_per_epoch=-1.5), "images_per_epoch is -1.5"),
        (dict(agreement=dict(lr=1)), "agreement has no 'lr'"),
        (dict(agreement=dict(lr_mult=1, optimizer=dict(type="SGD"))), "both lr_mult and optimizer"),
        (dict(normalize=1), "normalize is 1"),
        (dict(base=1), "base is 1"),
        (dict(n_power=3), "n_power is 3"),
        (dict(equal_steps="yes"), "equal_steps is 'yes'"),
        (dict(freeze_statistics=0), "freeze_statistics is 0"),
    ],
)
def test_arguments_without_meaning(argument, message):
    with pytest.raises(ADSError, match=message):
        ADSHook(**argument)


def test_checkpoint_holds_the_phases_state(digits, tmp_path):
    runner = build_runner(digits, tmp_path)
    runner.train()
    checkpoint = torch.load(tmp_path / "train" / "epoch_3.pth", weights_only=False)
    assert set(checkpoint["ads_hook"]) == {"agreement", "discrepancy"}
    assert checkpoint["ads_hook"]["agreement"]["state"]


def test_auto_scale_lr_reaches_the_phases(digits, tmp_path):
    """Batches of 4 where the rate was meant for 16."""
    scale = dict(enable=True, base_batch_size=16)
    runner = build_runner(digits, tmp_path, **{"auto_scale_lr": scale})
    runner.train()
    assert runner.optim_wrapper.param_groups[0]["initial_lr"] == pytest.approx(0.01 / 4)
    hook = next(h for h in runner.hooks if isinstance(h, ADSHook))
    phase = hook._optim_wrappers["agreement"].param_groups[0]["lr"]
    assert phase == pytest.approx(0.01 / 4 * 0.1)  # after the milestone
