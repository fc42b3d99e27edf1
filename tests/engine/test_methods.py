"""The methods in real training runs, and what is said of configs that cannot be meant."""

import json
import re
from pathlib import Path

import pytest
import torch
from helpers import build_runner, moved, state_of, tiny_config
from mmengine.config import Config

from ads_det.active.settings import load_config
from ads_det.engine.methods import ADS, EqualSteps, Plain, build_method
from ads_det.engine.methods import ads as ads_method
from ads_det.engine.options import merge_options
from ads_det.engine.runner import CycleRunner
from ads_det.errors import ADSError


@pytest.fixture
def recorded(monkeypatch):
    """The order in which phases and label epochs really run."""
    events = []
    for name in ("agreement", "discrepancy"):
        original = getattr(ads_method, f"run_{name}")

        def record(*args, _name=name, _original=original, **kwargs):
            events.append(_name)
            return _original(*args, **kwargs)

        monkeypatch.setattr(ads_method, f"run_{name}", record)
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
    hook = ADS(interval=5, begin=1, epochs=30)
    due = [epoch for epoch in range(150) if hook.is_due(epoch)]
    assert due == list(range(1, 147, 5)) and len(due) == 30
    small = ADS(interval=5, begin=5)  # of the small configs: seven epochs of 40, not eight
    assert [e for e in range(40) if small.is_due(e)] == [5, 10, 15, 20, 25, 30, 35]


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
    original = ADS._run_phase

    def run_phase(self, runner, phase):
        stats = original(self, runner, phase)
        rates.append((phase, self._optim_wrappers[phase].param_groups[0]["lr"]))
        return stats

    try:
        ADS._run_phase = run_phase
        runner.train()
    finally:
        ADS._run_phase = original
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
    (hook,) = (h for h in runner.hooks if isinstance(h, ADS))
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


def test_unlabelled_images_of_an_epoch_as_a_multiple_of_the_labelled_ones(digits, tmp_path):
    runner = build_runner(digits, tmp_path)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    for share, images in ((0.5, 3), (1.0, 6), (0.01, 1), (9.0, 12)):
        method = ADS(images_per_epoch=share)
        method.before_train(runner)
        assert sum(len(batch["inputs"]) for batch in method.loader) == images


def test_too_few_labelled_images_for_a_batch(digits, tmp_path):
    sampler = dict(type="DefaultSampler", shuffle=True, _delete_=True)
    options = {"train_dataloader.sampler": sampler, "train_dataloader.drop_last": True}
    with pytest.raises(ADSError, match="3 labelled images make no batch, since .*drop_last wants"):
        build_runner(digits, tmp_path, labeled=3, **options).train()


def test_a_plain_model_refuses_the_hook(digits, tmp_path):
    runner = build_runner(digits, tmp_path, **{"model.bbox_head.num_classifiers": 1})
    with pytest.raises(ADSError, match="num_classifiers=2"):
        runner.train()


def test_nan_loss_stops_with_one_sentence(digits, tmp_path):
    runner = build_runner(
        digits, tmp_path, **{"optim_wrapper.optimizer.lr": 1e30, "method": "ads_det.Plain"}
    )
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
        (dict(tau=-0.1), "tau is -0.1; use an entropy of 0 or more"),
        (dict(images_per_epoch=0), "images_per_epoch is 0"),
        (dict(images_per_epoch=-1.5), "images_per_epoch is -1.5"),
        (dict(agreement=dict(lr=1)), "agreement has no 'lr'"),
        (dict(agreement=dict(lr_mult=1, optimizer=dict(type="SGD"))), "both lr_mult and optimizer"),
        (dict(normalize=1), "normalize is 1"),
        (dict(base=1), "base is 1"),
        (dict(n_power=3), "n_power is 3"),
        (dict(freeze_statistics=0), "freeze_statistics is 0"),
    ],
)
def test_arguments_without_meaning(argument, message):
    with pytest.raises(ADSError, match=message):
        ADS(**argument)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        # what only ADS has is no argument of its control, not even without effect
        (dict(type="ads_det.EqualSteps", tau=0.2), r"method \(ads_det.EqualSteps\) has no 'tau'"),
        (dict(type="ads_det.EqualSteps", agreement={}), "has no 'agreement'; it takes begin, epo"),
        (dict(type="ads_det.EqualSteps", begin=0), "EqualSteps.begin is 0"),
        (dict(type="ads_det.EqualSteps", images_per_epoch="9"), "EqualSteps.images_per_epoch is"),
        (
            dict(type="ads_det.ADS", equal_steps=True),
            r"\(ads_det.ADS\) has no 'equal_steps'",
        ),
        (dict(type="ads_det.Plain", interval=2), "has no 'interval'; it takes members"),
        (dict(type="ads_det.Plain", members=0), "Plain.members is 0"),
        (dict(type="ads_det.SDA"), "'ads_det.SDA'; use one of ads_det.ADS, ads_det.Agreement"),
        (dict(tau=0.1), "method.type is None; use one of ads_det.ADS"),
        (3, "method is 3; use a name such as 'ads_det.ADS'"),
        (None, r"`method` is None; use method=dict\(type='ads_det.Plain'\)"),
    ],
)
def test_methods_without_meaning(method, message):
    with pytest.raises(ADSError, match=message):
        build_method(Config(dict(method=method)))


def test_a_config_without_a_method_trains_plainly():
    assert type(build_method(Config())) is Plain
    method = build_method(Config(dict(method=dict(type="ads_det.EqualSteps", interval=3))))
    assert type(method) is EqualSteps and method.interval == 3


def test_equal_steps_counts_no_part_of_an_update():
    cfg = Config(dict(method="ads_det.EqualSteps", optim_wrapper=dict(accumulative_counts=4)))
    with pytest.raises(ADSError, match="accumulative_counts is 4; set it to 1"):
        build_method(cfg).check_config(cfg)


# -- options on top of a config ---------------------------------------------------------------


def merged(digits, **options):
    cfg = tiny_config(digits, **{"method.interval": 2, "method.tau": 0.2})
    merge_options(cfg, options)
    return cfg


def test_a_method_of_another_type_drops_arguments_and_says_so(digits, capsys):
    cfg = merged(digits, **{"method.type": "ads_det.EqualSteps"})
    # what both mean alike stays, so that they can be compared
    assert cfg.method == dict(type="ads_det.EqualSteps", images_per_epoch=8, interval=2)
    said = "method is ads_det.EqualSteps now and has its own defaults; dropped "
    assert said + "positive_filter='none', tau=0.2." in capsys.readouterr().out
    cfg = merged(digits, **{"method.type": "ads_det.Plain", "method.members": 3})
    assert cfg.method == dict(type="ads_det.Plain", members=3)
    out = capsys.readouterr().out
    assert all(f"{k}=" in out for k in ("images_per_epoch", "positive_filter", "interval", "tau"))
    assert build_method(cfg).members == 3


def test_a_strategy_of_another_type_drops_arguments_and_says_so(digits, capsys):
    cfg = merged(digits, **{"active_learning.strategy.type": "ads_det.Random"})
    assert cfg.active_learning.strategy == dict(type="ads_det.Random")
    said = "active_learning.strategy is ads_det.Random now and has its own defaults; dropped topk="
    assert f"{said}20." in capsys.readouterr().out
    options = {"active_learning.strategy.type": "ads_det.Margin"}
    cfg = merged(digits, **options, **{"active_learning.strategy.topk": 7})
    assert cfg.active_learning.strategy == dict(type="ads_det.Margin", topk=7)


def test_options_of_the_same_type_keep_all_and_say_nothing(digits, capsys):
    cfg = merged(digits, **{"method.type": "ads_det.ADS", "method.tau": 0.3})
    own = dict(images_per_epoch=8, positive_filter="none", interval=2, tau=0.3)
    assert cfg.method == dict(type="ads_det.ADS", **own)
    assert capsys.readouterr().out == ""


def test_one_word_is_the_type_and_as_such_drops_or_keeps_arguments(digits, capsys):
    cfg = merged(digits, method="ads_det.EqualSteps")
    assert cfg.method == dict(type="ads_det.EqualSteps", images_per_epoch=8, interval=2)
    assert "dropped positive_filter='none', tau=0.2." in capsys.readouterr().out
    strategy = "active_learning.strategy"
    for options in ({f"{strategy}.topk": 7}, {strategy: "ads_det.Entropy"}):
        options |= {strategy: "ads_det.Entropy"}
        kept = merged(digits, **options).active_learning.strategy
        assert kept == dict(type="ads_det.Entropy", topk=options.get(f"{strategy}.topk", 20))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "options",
    [
        {"method": "ads_det.Plain", "method.type": "ads_det.ADS"},
        {"param_scheduler.0.gamma": 0.5, "param_scheduler": None},
        {"train_cfg": None, "train_cfg.max_epochs": 9},
        {"method.tau": 0.5, "method": dict(type="ads_det.ADS")},
    ],
)
def test_an_option_whose_other_would_undo_it_is_refused(digits, options):
    with pytest.raises(ADSError, match="give the one or the other"):
        merged(digits, **options)


def test_one_word_takes_the_place_of_none(digits):
    key = "active_learning.initial_strategy"
    for options in ({key: "ads_det.CoreSet"}, {f"{key}.type": "ads_det.CoreSet"}):
        cfg = tiny_config(digits)
        cfg.active_learning.initial_strategy = None
        merge_options(cfg, options)
        found = cfg.active_learning.initial_strategy
        assert found == "ads_det.CoreSet" or found == dict(type="ads_det.CoreSet")


def test_a_dict_may_be_followed_by_a_part_of_it(digits):
    cfg = merged(digits, **{"method": dict(type="ads_det.ADS", tau=0.1), "method.tau": 0.5})
    assert cfg.method.tau == 0.5


def test_a_method_in_one_word_takes_arguments(digits):
    cfg = merged(digits, method="ads_det.Plain")
    assert cfg.method == "ads_det.Plain"
    merge_options(cfg, {"method.members": 2})
    assert cfg.method == dict(type="ads_det.Plain", members=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"ads.tau": 0.2},
            r"--cfg-options ads.tau: .* `method` now; write method.tau=\.\.\.",
        ),
        ({"ads": None}, r"write method.type=ads_det.Plain\."),
        ({"ads.equal_steps": True}, r"method.type=ads_det.EqualSteps"),
    ],
)
def test_options_of_an_earlier_version_are_refused(digits, options, message):
    with pytest.raises(ADSError, match=message):
        merged(digits, **options)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("dict(interval=5, tau=0.2)", "method=dict(type='ads_det.ADS', interval=5, tau=0.2)."),
        (
            "dict(equal_steps=True, interval=5)",
            "method=dict(type='ads_det.EqualSteps', interval=5).",
        ),
        ("dict(equal_steps=False)", "method=dict(type='ads_det.ADS')."),
        ("None", "method=dict(type='ads_det.Plain')."),
    ],
)
def test_a_config_of_an_earlier_version_is_shown_its_new_line(tmp_path, old, new):
    (tmp_path / "old.py").write_text(f"ads = {old}\n")
    with pytest.raises(ADSError, match="old.py has the block `ads`, which is called") as error:
        load_config(tmp_path / "old.py")
    assert str(error.value).endswith(f"now; write {new}")
    block = re.search(r"write (method=.*)\.$", str(error.value))[1]
    (tmp_path / "new.py").write_text(block + "\n")
    assert load_config(tmp_path / "new.py").method.type in new


# -- state ------------------------------------------------------------------------------------


def test_checkpoint_holds_the_phases_state(digits, tmp_path):
    runner = build_runner(digits, tmp_path)
    runner.train()
    checkpoint = torch.load(tmp_path / "train" / "epoch_3.pth", weights_only=False)
    assert set(checkpoint["ads"]) == {"agreement", "discrepancy"}
    assert checkpoint["ads"]["agreement"]["state"]


def test_auto_scale_lr_reaches_the_phases(digits, tmp_path):
    """Batches of 4 where the rate was meant for 16."""
    scale = dict(enable=True, base_batch_size=16)
    runner = build_runner(digits, tmp_path, **{"auto_scale_lr": scale})
    runner.train()
    assert runner.optim_wrapper.param_groups[0]["initial_lr"] == pytest.approx(0.01 / 4)
    hook = next(h for h in runner.hooks if isinstance(h, ADS))
    phase = hook._optim_wrappers["agreement"].param_groups[0]["lr"]
    assert phase == pytest.approx(0.01 / 4 * 0.1)  # after the milestone
