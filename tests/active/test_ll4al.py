"""LL4AL's scores, and those of strategies that compare predictions: by batches and processes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import dump_config, tiny_classification_config, tiny_config

from ads_det.active.checks import check_strategies
from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.selection import select_images
from ads_det.active.settings import Settings
from ads_det.active.strategies import Candidates, LearnedLoss
from ads_det.core.outputs import Outputs
from ads_det.engine.build import build_from
from ads_det.engine.methods import build_method
from ads_det.engine.seeding import derive_seed
from ads_det.engine.stored_config import read_config
from ads_det.engine.training import check_training, evaluation_runner
from ads_det.errors import ADSError
from ads_det.files import read_csv
from ads_det.registry import STRATEGIES
from ads_det.work_files import RunFiles

LL4AL = {"method": dict(type="ads_det.LL4AL", _delete_=True)}
LL4AL |= {"active_learning.strategy": dict(type="ads_det.LearnedLoss", _delete_=True)}


def test_the_largest_predicted_loss_is_first():
    measured = LearnedLoss().measure(
        Outputs(extras={"predicted_loss": torch.tensor([0.3, -2.0, 1.5])})
    )
    candidates = Candidates(["a", "b", "c"], measured.double().numpy(), np.random.default_rng(0))
    assert LearnedLoss().query(candidates, 2)[0] == ["c", "a"]


SCRIPT = """
import sys
from pathlib import Path
import ads_det.registry
import torch
from mmengine.dist import is_main_process
tests = Path(sys.argv[2])
sys.path[:0] = [str(tests), str(tests.parent)]
import test_ll4al
torch.distributed.init_process_group("gloo")
scores = test_ll4al.scores_of(Path(sys.argv[1]), sys.argv[3])
if is_main_process():
    Path("two.json").write_text(scores)
"""
# strategies, and how many of the run's models each looks at
STRATEGIES_OF = {
    "classifier": [
        (dict(type="ads_det.LearnedLoss"), 1),
        (dict(type="ads_det.BALD", passes=3), 1),
        (dict(type="ads_det.MeanPredictionEntropy", passes=3), 1),
        (dict(type="ads_det.VariationRatio", passes=3), 1),
        (dict(type="ads_det.Discrepancy"), 1),
    ],
    "detector": [
        (dict(type="ads_det.BALD", passes=3), 1),
        (dict(type="ads_det.BALD"), 2),
        (dict(type="ads_det.BALD", passes=3), 2),
    ],
}


def two_classifiers():
    options = {"model.dropout": 0.3, "active_learning.cycles": 2, "model.num_classifiers": 2}
    return tiny_classification_config(**options, **LL4AL)


def two_detectors(digits):
    """An ensemble with dropout."""
    options = {"method": dict(type="ads_det.Plain", members=2), "active_learning.cycles": 2}
    options |= {"model.bbox_head.num_classifiers": 1, "model.bbox_head.dropout": 0.3}
    options["active_learning.strategy"] = dict(type="ads_det.BALD", passes=3)
    return tiny_config(digits, **options)


def scores_of(work_dir, kind="classifier", batch_size=5):
    """Picks and scores of each strategy, of the models of a run's first cycle loaded anew."""
    cfg, files = read_config(work_dir / "config.json"), RunFiles(work_dir).cycle(0)
    cfg.launcher = "none"  # the group of two is there already
    cfg.candidate_dataloader.batch_size = batch_size  # uneven shares for two processes
    scratch, paths = work_dir / "scratch", files.models(cfg.method.get("members", 1))
    models = [evaluation_runner(cfg, path, scratch).model for path in paths]
    found = []
    for given, count in STRATEGIES_OF[kind]:
        strategy = build_from(STRATEGIES, given, "strategy")
        lists = files.candidates_list, files.labeled_list
        selection = select_images(cfg, *lists, strategy, 5, 7, lambda n=count: models[:n])
        found.append((selection.picks, selection.scores.tolist()))
    return json.dumps(found)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("ll4al") / "run"
    ActiveLearningLoop(two_classifiers(), work_dir).run()
    return work_dir


def test_a_model_loaded_anew_predicts_with_the_module_that_was_trained(trained):
    """Public code scores with a module that was just built."""
    stored = {row["id"]: float(row["score"]) for row in read_csv(trained / "cycle_00/scores.csv")}
    _, scores = json.loads(scores_of(trained))[0]
    ids = (trained / "cycle_00/unlabeled.txt").read_text().split()
    assert scores == pytest.approx([stored[name] for name in ids], abs=1e-4)
    state = torch.load(trained / "cycle_00/model.pth", weights_only=True)
    gone = {k: v for k, v in state["state_dict"].items() if "method_modules" not in k}
    path = trained.parent / "without.pth"
    torch.save(dict(state, state_dict=gone), path)
    with pytest.raises(ADSError, match=r"method_modules\.loss_predictor"):
        evaluation_runner(two_classifiers(), path, trained.parent / "other")


def test_no_score_depends_on_the_batch(trained):
    """As BatchNorm in train mode would make it."""
    for (picks, scores), (others, again) in zip(
        json.loads(scores_of(trained)), json.loads(scores_of(trained, batch_size=9)), strict=True
    ):
        assert picks == others and scores == pytest.approx(again, abs=2e-4)
        assert len(set(scores)) > 1


def on_two(on_processes, work_dir, kind, folder):
    """What :func:`scores_of` gives on two processes."""
    script = folder / "two.py"
    script.write_text(SCRIPT)
    on_processes(2, script, work_dir, Path(__file__).parent, kind, launcher=())
    return json.loads((folder / "two.json").read_text())


def test_two_processes_pick_the_same(trained, on_processes, tmp_path):
    two = on_two(on_processes, trained, "classifier", tmp_path)
    assert two == json.loads(scores_of(trained))


@pytest.mark.slow
def test_two_processes_pick_the_same_by_an_ensemble_of_detectors(digits, on_processes, tmp_path):
    """They train its members too; one process then picks what they did."""
    run = tmp_path / "run"
    dump_config(two_detectors(digits), tmp_path / "tiny.py")
    on_processes(2, "al_loop.py", tmp_path / "tiny.py", "--work-dir", run)
    files = RunFiles(run).cycle(0)
    alone = json.loads(scores_of(run, "detector"))
    assert on_two(on_processes, run, "detector", tmp_path) == alone
    assert all(len(set(scores)) > 1 for _, scores in alone)
    cfg, paths = two_detectors(digits), files.models(2)
    models = [evaluation_runner(cfg, path, run / "scratch").model for path in paths]
    lists, seed = (files.candidates_list, files.labeled_list), derive_seed(0, 0, "select")
    strategy = Settings.from_config(cfg).build_strategy()
    selection = select_images(cfg, *lists, strategy, 4, seed, lambda: models)
    assert selection.picks == files.picks()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_dataloader.batch_size": 5}, "batch_size is 5, but LL4AL compares .* in pairs"),
        ({"method": "ads_det.Plain"}, "LearnedLoss.* reads 'predicted_loss', .* by Plain"),
        (
            {"active_learning.initial_strategy": "ads_det.LearnedLoss"},
            r"initial_strategy \(LearnedLoss\) reads 'predicted_loss'",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(options, message):
    cfg = tiny_classification_config(**LL4AL)
    cfg.merge_from_dict(options if "method" not in options else {})
    if "method" in options:
        cfg.method = dict(type=options["method"])
    with pytest.raises(ADSError, match=message):
        check_training(cfg)
        check_strategies(Settings.from_config(cfg), cfg, build_method(cfg))
