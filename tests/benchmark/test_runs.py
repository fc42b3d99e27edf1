"""Methods, and real runs of the loop in processes of their own."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import CONFIGS, dump_config, tiny_classification_config, tiny_config
from processes import TOOLS, Forked

from ads_det.active.settings import load_config
from ads_det.benchmark.methods import (
    Method,
    method_config,
    parse_methods,
    parse_training,
    parse_trainings,
)
from ads_det.benchmark.run_folder import find_runs
from ads_det.benchmark.runs import RUN, Benchmark
from ads_det.benchmark.tables import read_curves
from ads_det.errors import ADSError
from ads_det.parent import PARENT


@pytest.mark.parametrize(
    ("name", "head"),
    [("resnet8_digits_ads.py", "model"), ("ssd_digits_ads.py", "model.bbox_head")],
)
def test_what_a_method_changes(name, head):
    cfg = load_config(CONFIGS / name)
    before = cfg.to_dict()

    def of(text, **trainings):
        config = method_config(cfg, Method.parse(text), trainings)
        model = config.model if head == "model" else config.model.bbox_head
        return config.method, model.get("num_classifiers", 2), config.active_learning.strategy

    own = cfg.active_learning.strategy
    same = of("ads+" + own.type.removeprefix("ads_det.").lower())
    assert same == (cfg.method, 2, own)
    plain = dict(type="ads_det.Plain")
    assert of("plain+random") == (plain, 1, dict(type="ads_det.Random"))
    method, classifiers, _ = of("equal+entropy")
    shared = {"interval", "begin", "epochs", "images_per_epoch"}
    shared = {k: v for k, v in cfg.method.items() if k in shared}
    assert len(shared) > 1  # as many phases of as many images
    assert (method, classifiers) == (dict(type="ads_det.EqualSteps", **shared), 1)
    assert of("two+random") == (plain, 2, dict(type="ads_det.Random"))
    method, classifiers, _ = of("zero+random")
    still = {
        phase: dict(cfg.method.get(phase) or {}, loss_weight=0.0)
        for phase in ("agreement", "discrepancy")
    }
    assert (method, classifiers) == (dict(cfg.method, **still), 2)
    method, classifiers, strategy = of("none+random", none={"method.weighting": "none"})
    assert method == dict(cfg.method, weighting="none")
    assert (classifiers, strategy["type"]) == (2, "ads_det.Random")
    ll4al = of("ll4al+learnedloss")
    assert ll4al == (dict(type="ads_det.LL4AL"), 1, dict(type="ads_det.LearnedLoss"))
    method, classifiers, strategy = of("ensemble+bald")
    assert (method, classifiers) == (dict(type="ads_det.Plain", members=5), 1)
    assert strategy["type"] == "ads_det.BALD" and "passes" not in strategy
    method, classifiers, strategy = of("dropout+variationratio")
    assert (method, classifiers, strategy["passes"]) == (plain, 1, 25)
    config = method_config(cfg, Method.parse("dropout+bald"), {})
    assert (config.model if head == "model" else config.model.bbox_head).dropout == 0.1
    assert of("ads+discrepancy")[2]["type"] == "ads_det.Discrepancy"
    assert cfg.to_dict() == before


@pytest.mark.parametrize("name", ["plain+bald", "plain+discrepancy", "plain+learnedloss"])
def test_a_strategy_without_what_it_reads_is_refused(name):
    with pytest.raises(ADSError, match="compares at least 2|reads 'predicted_loss'"):
        method_config(tiny_classification_config(), Method.parse(name), {})


def test_a_strategy_of_the_config_keeps_its_arguments(gap):
    cfg = tiny_classification_config(
        **{"active_learning.strategy": dict(type="ads_det.Entropy", normalize=True)}
    )
    kept = method_config(cfg, Method("ads", "entropy"), {}).active_learning.strategy
    assert kept["normalize"] is True
    other = method_config(cfg, Method("ads", "random"), {}).active_learning.strategy
    assert other == dict(type="ads_det.Random")
    # what two strategies both know must not differ between them
    other = method_config(cfg, Method("ads", "diverseentropy"), {}).active_learning.strategy
    assert other == dict(type="ads_det.DiverseEntropy", normalize=True)
    other = method_config(cfg, Method("ads", "gap"), {}).active_learning.strategy
    assert other == dict(type="ads_det.Gap")
    with pytest.raises(ADSError, match="compares at least 2 predictions"):
        method_config(cfg, Method("plain", "gap"), {})


def test_options_of_a_training_are_read_like_cfg_options():
    text = "weak: method.agreement.loss_weight=0.5 method.weighting=none a.b=[1,2]"
    options = {"method.agreement.loss_weight": 0.5, "method.weighting": "none", "a.b": [1, 2]}
    assert parse_training(text) == ("weak", options)


def of_mmdet(cfg):
    """The config with a model that has no classifiers of this project."""
    cfg.model = dict(type="mmdet.RetinaNet", bbox_head=dict(type="RetinaHead", num_classes=10))
    return cfg


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda cfg: parse_methods(["ads"]), "not of the form TRAINING\\+STRATEGY"),
        (lambda cfg: parse_training("method.weighting=none"), "not of the form 'NAME: key=value"),
        (lambda cfg: parse_training("a: b"), "not of the form"),
        (lambda cfg: parse_trainings(["a: b=1", "a: b=2"], [Method("a", "random")]), "given twice"),
        (lambda cfg: parse_trainings(["plain: b=1"], [Method("plain", "random")]), "of ads_det"),
        (lambda cfg: parse_trainings(["a: b=1"], [Method("ads", "random")]), "by no method"),
        *(
            (
                lambda cfg, key=key: parse_trainings([f"a: {key}=1"], [Method("a", "random")]),
                f"sets {key}, which all that is compared has in common",
            )
            for key in (
                *("active_learning.initial", "active_learning.strategy", "pool.ann_file"),
                *("active_learning", "randomness.seed", "test_evaluator.metric.iou_thrs"),
                "test_dataloader.dataset.ann_file",
            )
        ),
        (lambda cfg: method_config(cfg, Method("adz", "random"), {}), "training 'adz' is unknown"),
        (lambda cfg: method_config(cfg, Method("ads", "luck"), {}), "strategy 'luck' is unknown"),
        (
            lambda cfg: method_config(cfg, Method("a", "random"), {"a": {"model.type.x": 1}}),
            "The options of a do not fit: ",
        ),
        (
            lambda cfg: method_config(of_mmdet(cfg), Method("dropout", "bald"), {}),
            "The training 'dropout' needs a head or classifier of ads_det",
        ),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(ADSError, match=message):
        call(tiny_classification_config())


def test_a_plain_config_cannot_be_compared():
    with pytest.raises(ADSError, match="does not train by ads_det.ADS"):
        method_config(
            tiny_classification_config(method="ads_det.Plain"), Method("plain", "random"), {}
        )


def benchmark(cfg, folder, methods, seeds=(0,), program=RUN):
    configs = {m: method_config(cfg, m, {}) for m in parse_methods(methods)}
    return Benchmark(folder, cfg, configs, seeds, program)


def files(folder, pattern="*/seed_*/cycle_*/*.txt"):
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.glob(pattern))}


@pytest.fixture
def without_imports(monkeypatch):
    """Runs start with everything imported."""

    def popen(command, stdout, env, **_):
        del env[PARENT]  # that of a forked process is the server
        if tuple(command[: len(RUN)]) == RUN:
            command = [TOOLS / "al_loop.py", *command[len(RUN) :]]
        return Forked(command, Path.cwd(), stdout.name, stdout.name, **env)

    names = SimpleNamespace(Popen=popen, DEVNULL=None, STDOUT=None)
    monkeypatch.setattr("ads_det.benchmark.runs.subprocess", names)


def test_runs_share_their_beginning_and_go_on(without_imports, tmp_path, capsys):
    cfg = tiny_classification_config(**{"active_learning.cycles": 2})
    folder = tmp_path / "bench"
    methods = ["plain+random", "ads+random", "ads+entropy"]
    first = benchmark(cfg, folder, methods)
    assert first.run(jobs=2, threads=1) == []
    name, curves = read_curves(find_runs([folder]))
    assert name == "mean/accuracy" and set(curves) == set(methods)
    assert all(len(runs[0].values) == 2 for runs in curves.values())
    model = [(folder / method / "seed_0/cycle_00/model.pth").read_bytes() for method in methods]
    assert model[1] == model[2] != model[0]
    lists = files(folder, "*/seed_0/cycle_00/labeled.txt")
    assert len(set(lists.values())) == 1 and len(lists) == 3
    # the follower trained its second cycle on its own picks
    second = files(folder, "ads+*/seed_0/cycle_01/labeled.txt")
    assert len(set(second.values())) == 2
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["methods"]) == set(methods) and "torch" in manifest["versions"][0]

    # a copied first cycle leads to the run that trains its own
    alone = benchmark(cfg, tmp_path / "alone", ["ads+entropy"])
    assert alone.run(jobs=1, threads=1) == []
    mine = files(folder / "ads+entropy", "seed_0/cycle_*/*.txt")
    del mine["seed_0/cycle_00/copied_from.txt"]
    assert mine == files(tmp_path / "alone/ads+entropy", "seed_0/cycle_*/*.txt")
    assert read_curves(find_runs([tmp_path / "alone"]))[1]["ads+entropy"] == curves["ads+entropy"]

    # what is finished is not run again: this loop would fail
    assert benchmark(cfg, folder, methods, program=[tmp_path / "nowhere.py"]).run(1, 1) == []
    failed = benchmark(cfg, folder, methods, (1,), [tmp_path / "nowhere.py"]).run(1, 1)
    assert {run.seed for run in failed} == {1} and len(failed) == 3
    assert capsys.readouterr().out.count("nowhere.py' (its log: ") == 3

    # a method that comes later takes the first model that is there, whatever the order
    later = benchmark(cfg, folder, ["ads+margin", "ads+random"])
    assert later.run(jobs=2, threads=1) == []
    assert (folder / "ads+margin/seed_0/cycle_00/model.pth").read_bytes() == model[1]
    assert (folder / "ads+margin/seed_0/cycle_00/copied_from.txt").exists()

    cfg.train_cfg.max_epochs += 1
    for names in (methods, ["equal+random"]):
        with pytest.raises(ADSError, match="with other settings"):
            benchmark(cfg, folder, names)


@pytest.mark.slow
def test_the_tool_on_a_detector(digits, tmp_path):
    import subprocess

    dump_config(tiny_config(digits, **{"active_learning.cycles": 1}), tmp_path / "tiny.py")
    tool = TOOLS / "benchmark.py"
    command = [sys.executable, tool, "tiny.py", "--work-dir", "bench", "--seeds", "0"]
    command += ["--methods", "weak+random"]
    command += ["--training", "weak: method.agreement.loss_weight=0.1"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "| weak+random | 1 |" in (tmp_path / "bench/comparison.md").read_text()
    assert "Traceback" not in result.stderr

    # no run can begin: each says why, and no table is missed
    pool = "ImageSets/Main/trainval.txt"
    worse = [*command, "--cfg-options", f"test_dataloader.dataset.ann_file={pool}"]
    worse[worse.index("bench")] = "worse"
    result = subprocess.run(worse, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    assert "FAILED: weak+random seed 0: The test image" in result.stdout + result.stderr
    assert "history.json" not in result.stdout + result.stderr


def test_members_are_measured_as_classifiers_too():
    from ads_det.commands.work.benchmark import check_curve_metric

    cfg = tiny_classification_config()
    together = method_config(cfg, *parse_methods(["ensemble+bald"]), {})
    check_curve_metric("classifier_5/accuracy", together)
    for metric in ("classifier_6/accuracy", "member_0/classifier_2/accuracy"):
        with pytest.raises(ADSError, match="not every method has as many classifiers"):
            check_curve_metric(metric, together)
