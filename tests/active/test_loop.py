"""The loop for real: tiny model, tiny data, every stage."""

import json
import shutil

import numpy as np
import pytest
from helpers import build_detector, tiny_config

from ads_det.active.cycle import Cycle
from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.pool import Pool
from ads_det.active.scoring import measure_images
from ads_det.active.settings import load_config
from ads_det.active.strategies import Entropy
from ads_det.core.outputs import FEATURES, MEMBERS
from ads_det.engine.datasets import candidate_loader
from ads_det.errors import ADSError


def results(work_dir):
    """Everything that two equal runs share: all but the seconds."""
    cycles = json.loads((work_dir / "history.json").read_text())["cycles"]
    files = sorted(p for p in work_dir.glob("cycle_*/*") if p.suffix in (".txt", ".csv"))
    return (
        [{k: v for k, v in row.items() if k != "seconds"} for row in cycles],
        {str(p.relative_to(work_dir)): p.read_text() for p in files},
        (work_dir / "pool.json").read_text(),
    )


def test_labels_grow_and_files_are_there(finished, digits):
    pool, _ = Pool.load(finished / "pool.json")
    assert [len(pool.labeled(c)) for c in range(3)] == [4, 8, 12]
    for number in range(3):
        folder = finished / f"cycle_{number:02d}"
        assert (folder / "labeled.txt").read_text().split() == pool.labeled(number)
        assert (folder / "model.pth").exists()
        assert not list((folder / "train").glob("epoch_*.pth"))
        assert (folder / "picks.txt").exists() == (number < 2)
        assert (folder / "picks.png").exists() == (number < 2)
    rows, _, _ = results(finished)
    assert [row["labeled_images"] for row in rows] == [4, 8, 12]
    xml = "".join((digits / "Annotations" / f"{i}.xml").read_text() for i in pool.labeled(2))
    assert rows[2]["labeled_objects"] == xml.count("<object>")
    for name in ("mean", "classifier_1", "classifier_2"):
        assert 0 <= rows[2]["metrics"][f"{name}/pascal_voc/mAP"] <= 1
    assert (finished / "learning_curve.png").read_bytes()[1:4] == b"PNG"
    header, *lines = (finished / "history.csv").read_text().splitlines()
    assert header.startswith(
        "cycle,labeled_images,labeled_objects,mean,classifier_1,classifier_2,seconds_train"
    )
    assert len(lines) == 3


def test_picks_are_the_top_of_the_scores(finished):
    for number in (0, 1):
        folder = finished / f"cycle_{number:02d}"
        lines = (folder / "scores.csv").read_text().splitlines()[1:]
        assert len(lines) == 36 - 4 * number
        scores = [float(line.split(",")[1]) for line in lines]
        assert scores == sorted(scores, reverse=True)
        picks = (folder / "picks.txt").read_text().split()
        assert picks == [line.split(",")[0] for line in lines[:4]]


def test_another_run_is_never_overwritten(finished, digits):
    before = results(finished)
    with pytest.raises(ADSError, match="--resume"):
        ActiveLearningLoop(tiny_config(digits), finished).open()
    assert results(finished) == before


def test_resuming_a_finished_run_changes_nothing(finished, digits):
    before = results(finished)
    ActiveLearningLoop(tiny_config(digits), finished, resume=True).run()
    assert results(finished) == before


@pytest.mark.parametrize(
    "removed",
    [
        # stopped between selection and the pool's commit
        pytest.param(["cycle_02", "pool"], marks=pytest.mark.slow),
        ["cycle_02", "cycle_01/picks.txt", "cycle_01/scores.csv", "pool"],
        pytest.param(["cycle_02/metrics.json"], marks=pytest.mark.slow),
        ["cycle_02"],
    ],
)
def test_a_run_stopped_between_stages_ends_the_same(finished, digits, tmp_path, removed):
    """Rebuild the state that a run stopped at that point leaves, and go on from it."""
    expected = results(finished)
    work_dir = tmp_path / "run"
    shutil.copytree(finished, work_dir)
    for name in removed:
        path = work_dir / name
        if name == "pool":
            pool, run = Pool.load(work_dir / "pool.json")
            pool.labeled_in[pool.labeled_in == 2] = -1
            pool.save(work_dir / "pool.json", run)
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    for name in ("history.json", "history.csv", "learning_curve.png"):
        (work_dir / name).unlink()
    ActiveLearningLoop(tiny_config(digits), work_dir, resume=True).run()
    assert results(work_dir) == expected


@pytest.mark.slow
def test_a_stage_that_fails_is_done_again(finished, digits, tmp_path, monkeypatch):
    work_dir = tmp_path / "run"
    original = Cycle._select
    monkeypatch.setattr(Cycle, "_select", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ActiveLearningLoop(tiny_config(digits), work_dir).run()
    monkeypatch.setattr(Cycle, "_select", original)
    ActiveLearningLoop(tiny_config(digits), work_dir, resume=True).run()
    assert results(work_dir) == results(finished)


def test_no_label_of_the_pool_is_read(finished, digits, tmp_path):
    """Without the annotations of what is never picked, the picks are the same."""
    pool, _ = Pool.load(finished / "pool.json")
    root = tmp_path / "digits"
    shutil.copytree(digits, root)
    for name in pool.unlabeled():
        (root / "Annotations" / f"{name}.xml").unlink()
    ActiveLearningLoop(tiny_config(digits, **_moved(root)), tmp_path / "run").run()
    assert results(tmp_path / "run")[:2] == results(finished)[:2]


def test_before_the_first_purchase_only_initial_labels_exist(finished, digits, tmp_path):
    """Cycle 0 trains, runs its phases, scores and selects without any other annotation."""
    root = tmp_path / "digits"
    shutil.copytree(digits, root)
    initial = (finished / "cycle_00/labeled.txt").read_text().split()
    for name in (root / "ImageSets/Main/trainval.txt").read_text().split():
        if name not in initial:
            (root / "Annotations" / f"{name}.xml").unlink()
    loop = ActiveLearningLoop(tiny_config(digits, **_moved(root)), tmp_path / "run")
    loop.open()
    run, folder = loop.work_dir.files, tmp_path / "run/cycle_00"
    Cycle(loop.cfg, loop.settings, loop.pool, loop.oracle, 0, run, loop.seed).run(select=True)
    for name in ("scores.csv", "picks.txt"):
        assert (folder / name).read_text() == (finished / "cycle_00" / name).read_text()


def _moved(root):
    return {f"{k}.data_root": str(root) for k in ("pool", "test_dataloader.dataset")}


def test_oracle_filter_reads_labels_and_says_so(digits, tmp_path, capsys):
    cfg = tiny_config(digits, **{"method.positive_filter": "oracle", "active_learning.cycles": 1})
    ActiveLearningLoop(cfg, tmp_path / "run").run()
    assert "READ THE LABELS of 36 unlabelled images" in capsys.readouterr().out
    positive = (tmp_path / "run/cycle_00/positive.txt").read_text().split()
    assert 0 < len(positive) <= 36


def test_plain_training_with_random_selection(digits, tmp_path):
    options = {
        "method.type": "ads_det.Plain",
        "model.bbox_head.num_classifiers": 1,
        "active_learning.strategy": dict(type="ads_det.Random", _delete_=True),
        "active_learning.cycles": 2,
    }
    history = ActiveLearningLoop(tiny_config(digits, **options), tmp_path / "run").run()
    metrics = history.rows[0].metrics
    assert metrics["mean/pascal_voc/mAP"] == metrics["classifier_1/pascal_voc/mAP"]
    assert "classifier_2/pascal_voc/mAP" not in metrics
    assert len(history.rows) == 2


def test_a_run_goes_on_with_its_own_config_file(finished, tmp_path):
    """Also when the keys come in another order, and with another metric for the table."""
    work_dir = tmp_path / "run"
    shutil.copytree(finished, work_dir)
    options = {"active_learning.metric": "pascal_voc/AP50"}
    cfg = load_config(work_dir / "config.py", options)
    history = ActiveLearningLoop(cfg, work_dir, resume=True).run()
    assert history.metric == "pascal_voc/AP50"
    assert results(work_dir)[1:] == results(finished)[1:]


def test_subset_limits_candidates_and_phases(digits, tmp_path):
    options = {"active_learning.subset": 10, "active_learning.cycles": 2}
    cfg = tiny_config(digits, **options, **{"method.type": "ads_det.Plain"})
    ActiveLearningLoop(cfg, tmp_path / "run").run()
    candidates = [
        (tmp_path / f"run/cycle_{n:02d}/unlabeled.txt").read_text().split() for n in (0, 1)
    ]
    assert [len(c) for c in candidates] == [10, 10]
    assert candidates[0] != candidates[1]
    assert set((tmp_path / "run/cycle_00/picks.txt").read_text().split()) <= set(candidates[0])


def test_the_last_cycle_may_empty_the_pool(digits, tmp_path):
    options = {"active_learning.initial": 20, "active_learning.budget": 20}
    cfg = tiny_config(digits, **options, **{"active_learning.cycles": 2})
    history = ActiveLearningLoop(cfg, tmp_path / "run").run()
    assert history.rows[1].labeled_images == 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"active_learning.budget": 30}, "3 cycles need 64 images .* pool has 40"),
        ({"active_learning.initial": 50}, "pool has 40"),
        ({"active_learning.initial": 0}, "initial is 0"),
        ({"active_learning.cycles": 0}, "cycles is 0"),
        ({"active_learning.cyles": 3}, "has no 'cyles'"),
        ({"active_learning.strategy": dict(type="ads_det.Best")}, "strategy"),
        ({"active_learning.strategy.topk": 0}, "topk is 0"),
        ({"active_learning": None}, "no `active_learning` block"),
        ({"model.bbox_head.num_classes": 9}, "num_classes=9.* names 10"),
        ({"pool.type": "CocoDataset"}, "use one of this project"),
        ({"pool.data_root": "nowhere"}, "nowhere does not exist"),
    ],
)
def test_a_mistake_in_the_config_stops_before_anything_is_written(
    digits, tmp_path, options, message
):
    with pytest.raises(ADSError, match=message):
        ActiveLearningLoop(tiny_config(digits, **options), tmp_path / "run").open()
    assert not (tmp_path / "run").exists()


def test_resume_with_another_config_or_seed_names_the_difference(finished, digits):
    with pytest.raises(ADSError, match="optimizer.lr: .* then, 0.5 now, the seed"):
        cfg = tiny_config(digits, **{"optim_wrapper.optimizer.lr": 0.5, "randomness.seed": 5})
        ActiveLearningLoop(cfg, finished, resume=True).open()


def test_scores_do_not_depend_on_batch_or_mode(digits, tmp_path):
    cfg = tiny_config(digits)
    model = build_detector(num_classes=10)
    model.train()
    before = model.backbone.bn1.running_mean.clone()
    loader = candidate_loader(cfg, None)
    strategy = Entropy(topk=20)
    first = measure_images([model], loader, frozenset({MEMBERS}), strategy.accumulator)
    ids, scores = first.ids, first.values
    assert first.features is None and first.unreadable == []
    assert model.training and (model.backbone.bn1.running_mean == before).all()
    assert len(ids) == len(scores) == 40
    loader["batch_size"] = 3
    needs = frozenset({MEMBERS, FEATURES})
    other = measure_images([model], loader, needs, strategy.accumulator)
    assert other.ids == ids and np.allclose(scores, other.values, atol=1e-6)
    assert other.features.shape == (40, 16 + 32 + 32) and other.features.dtype == np.float32
    every = measure_images([model], loader, needs, Entropy(topk=1.0).accumulator)
    assert (every.values < other.values).all()
