"""The same loop, hook and strategies on a classifier."""

import json

import numpy as np
import pytest
from helpers import CONFIGS, moved, state_of, tiny_classification_config
from mmengine.optim import OptimWrapper
from PIL import Image

from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.pool import Pool
from ads_det.active.settings import load_config
from ads_det.data import classification
from ads_det.engine import training
from ads_det.engine.runner import CycleRunner
from ads_det.engine.training import evaluation_runner, training_config
from ads_det.errors import ADSError
from ads_det.files import write_ids

KEYS = {f"{name}/accuracy" for name in ("mean", "classifier_1", "classifier_2", "classifiers")}


def choices(work_dir):
    """What a run decided: everything but weights, pictures and seconds."""
    files = sorted(p for p in work_dir.glob("cycle_*/*") if p.suffix in (".txt", ".csv"))
    return {str(p.relative_to(work_dir)): p.read_text() for p in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("classification") / "whole"
    ActiveLearningLoop(tiny_classification_config(), work_dir).run()
    return work_dir


def test_a_whole_run(whole):
    pool, _ = Pool.load(whole / "pool.json")
    assert [len(pool.labeled(c)) for c in range(3)] == [20, 30, 40]
    rows = json.loads((whole / "history.json").read_text())["cycles"]
    assert all(row["metrics"].keys() == KEYS for row in rows)
    for row in rows:
        values = row["metrics"]
        assert 0 <= values["mean/accuracy"] <= 1
        single = (values["classifier_1/accuracy"] + values["classifier_2/accuracy"]) / 2
        assert values["classifiers/accuracy"] == pytest.approx(single)
    assert [row["labeled_objects"] for row in rows] == [20, 30, 40]
    header = (whole / "history.csv").read_text().splitlines()[0]
    assert header.split(",")[3:7] == ["mean", "classifier_1", "classifier_2", "classifiers"]
    for number in (0, 1):
        folder = whole / f"cycle_{number:02d}"
        assert len((folder / "unlabeled.txt").read_text().split()) == 32
        lines = (folder / "scores.csv").read_text().splitlines()[1:]
        assert [line.split(",")[0] for line in lines[:10]] == (
            folder / "picks.txt"
        ).read_text().split()
        assert (folder / "picks.png").read_bytes()[1:4] == b"PNG"


def test_labels_of_the_pool_are_not_read(whole, tmp_path, monkeypatch):
    """The same run with impossible labels for every image that is never acquired."""
    pool, _ = Pool.load(whole / "pool.json")
    images = classification._load_digits(True)
    acquired = np.isin(images.ids, pool.labeled())
    wrong = images._replace(labels=np.where(acquired, images.labels, -1))
    original = classification._load_digits
    monkeypatch.setattr(
        classification, "_load_digits", lambda train: wrong if train else original(False)
    )
    ActiveLearningLoop(tiny_classification_config(), tmp_path / "run").run()
    assert choices(tmp_path / "run") == choices(whole)


def test_a_checkpoint_is_evaluated_with_the_statistics_it_was_trained_with(whole, tmp_path):
    cfg = tiny_classification_config()
    runner = evaluation_runner(cfg, whole / "cycle_02" / "model.pth", tmp_path)
    stored = json.loads((whole / "cycle_02" / "metrics.json").read_text())["metrics"]
    assert runner.test() == pytest.approx(stored)
    mean, std = classification.DigitsDataset().channel_statistics()
    assert runner.model.data_preprocessor.mean.tolist() == pytest.approx(mean)
    assert runner.model.data_preprocessor.std.tolist() == pytest.approx(std)


def test_plain_model_runs_too(tmp_path):
    options = {"model.num_classifiers": 1, "active_learning.cycles": 1}
    cfg = tiny_classification_config(**options, **{"method.type": "ads_det.Plain"})
    history = ActiveLearningLoop(cfg, tmp_path / "run").run()
    metrics = history.rows[-1].metrics
    assert metrics.keys() == KEYS - {"classifier_2/accuracy"}
    assert len(set(metrics.values())) == 1
    assert "classifiers" not in history.table()  # one is its own mean


def test_official_code_preset_runs_and_starts_warm(tmp_path, monkeypatch):
    starts = []
    original = training.CycleRunner.train

    def train(self):
        starts.append(self._load_from)
        return original(self)

    monkeypatch.setattr(training.CycleRunner, "train", train)
    preset = load_config(CONFIGS / "resnet18_cifar10_official_code.py")
    cfg = tiny_classification_config(**{"active_learning.cycles": 2})
    cfg.model.classifier = preset.model.classifier
    cfg.method = preset.method
    cfg.active_learning.strategy = preset.active_learning.strategy
    cfg.active_learning.warm_start = preset.active_learning.warm_start
    rows = ActiveLearningLoop(cfg, tmp_path / "run").run().rows
    assert rows[-1].metrics.keys() == KEYS
    assert starts == [None, str(tmp_path / "run" / "cycle_00" / "model.pth")]


def updates(monkeypatch, tmp_path, **options):
    """Number of optimiser updates of one training: 20 labels, 32 unlabelled, batches of 8."""
    count = []
    original = OptimWrapper.update_params

    def update_params(self, *args, **kwargs):
        count.append(self)
        return original(self, *args, **kwargs)

    cfg = tiny_classification_config(**options)
    names = classification.DigitsDataset().image_ids()
    write_ids(tmp_path / "labeled.txt", names[:20])
    write_ids(tmp_path / "unlabeled.txt", names[20:52])
    lists = (tmp_path / "labeled.txt", tmp_path / "unlabeled.txt")
    runner = CycleRunner.from_cfg(training_config(cfg, tmp_path / "train", *lists, seed=0))
    with monkeypatch.context() as patch:
        patch.setattr(OptimWrapper, "update_params", update_params)
        runner.train()
    own = sum(wrapper is runner.optim_wrapper for wrapper in count)
    return len(count), own, runner


def test_equal_steps_makes_as_many_updates_as_the_phases(monkeypatch, tmp_path):
    folders = [tmp_path / name for name in ("ads", "control", "plain")]
    for folder in folders:
        folder.mkdir()
    ads, own, _ = updates(monkeypatch, folders[0])
    assert (ads, own) == (3 * 3 + 2 * 2 * 4, 3 * 3)  # 3 epochs of 3; 2 ADS epochs, 2 phases of 4
    options = {"method.type": "ads_det.EqualSteps", "model.num_classifiers": 1}
    control, own, runner = updates(monkeypatch, folders[1], **options)
    assert control == own == ads  # all of them the Runner's
    assert runner.message_hub.get_scalar("train/label_updates_updates").current() == 8
    assert runner.optim_wrapper.param_groups[0]["lr"] == pytest.approx(0.002)  # by epochs still
    plain, _, _ = updates(monkeypatch, folders[2], method="ads_det.Plain")
    assert plain == 9


def test_equal_steps_reads_no_unlabelled_image(monkeypatch, tmp_path):
    seen = []
    original = classification.ClassificationDataset.__getitems__

    def getitems(self, indices):
        seen.append(self.load_annotations)
        return original(self, indices)

    monkeypatch.setattr(classification.ClassificationDataset, "__getitems__", getitems)
    updates(monkeypatch, tmp_path, **{"method.type": "ads_det.EqualSteps"})
    assert seen and all(seen)


def test_a_wrong_number_of_classes_stops(monkeypatch, tmp_path):
    with pytest.raises(ADSError, match="10 classes, but model.num_classes is 7"):
        updates(monkeypatch, tmp_path, **{"model.num_classes": 7})


def test_one_class_is_nothing_to_tell_apart(tmp_path):
    for part, number in (("train", 8), ("test", 4)):
        folder = tmp_path / part / "cat"
        folder.mkdir(parents=True)
        for index in range(number):
            Image.effect_noise((8, 8), 60 + index).save(folder / f"{part}{index}.png")
    pool = dict(type="ads_det.ClassFolderDataset", data_root=str(tmp_path / "train"))
    cfg = tiny_classification_config(**{"model.num_classes": 1})
    cfg.pool, cfg.active_learning.initial = pool, 2
    cfg.test_dataloader.dataset = dict(pool, data_root=str(tmp_path / "test"))
    with pytest.raises(ADSError, match="has images of one class, so there is nothing to tell"):
        ActiveLearningLoop(cfg, tmp_path / "run").open()


def test_the_control_is_a_function_of_its_seed(monkeypatch, tmp_path):
    states = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        options = {"method.type": "ads_det.EqualSteps"}
        _, _, runner = updates(monkeypatch, tmp_path / name, **options)
        states.append(state_of(runner.model))
    assert not moved(states[0], runner.model)


@pytest.mark.parametrize(
    "kind",
    ["Margin", "LeastConfident", "ClassBalancedEntropy", "CoreSet", "DiverseEntropy"],
)
def test_every_strategy_runs_and_chooses_from_its_candidates(tmp_path, kind):
    options = {"active_learning.cycles": 2, "train_cfg.max_epochs": 1}
    cfg = tiny_classification_config(**options, **{"active_learning.strategy": f"ads_det.{kind}"})
    ActiveLearningLoop(cfg, tmp_path / "run").run()
    folder = tmp_path / "run/cycle_00"
    picks = (folder / "picks.txt").read_text().split()
    assert len(set(picks)) == 10
    assert set(picks) <= set((folder / "unlabeled.txt").read_text().split())
    lines = (folder / "scores.csv").read_text().splitlines()[1:]
    best = [line.split(",")[0] for line in lines[:10]]
    assert (picks == best) == (kind in ("Margin", "LeastConfident"))
