"""LL4AL through the loop: resumed, without labels of the pool, on two processes."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import tiny_classification_config, tiny_config

from ads_det.active.checks import check_strategies
from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.selection import select_images
from ads_det.active.settings import Settings
from ads_det.active.strategies import Candidates, LearnedLoss
from ads_det.core.outputs import Outputs
from ads_det.engine.build import build_from
from ads_det.engine.methods import build_method
from ads_det.engine.training import check_training, evaluation_runner
from ads_det.errors import ADSError
from ads_det.files import read_csv
from ads_det.registry import STRATEGIES

LL4AL = {"method": dict(type="ads_det.LL4AL", _delete_=True)}
LL4AL |= {"active_learning.strategy": dict(type="ads_det.LearnedLoss", _delete_=True)}


def texts(work_dir):
    files = [p for p in work_dir.rglob("*") if p.suffix in (".csv", ".txt")]
    return {str(p.relative_to(work_dir)): p.read_text() for p in files if p.name != "history.csv"}


def test_the_largest_predicted_loss_is_first():
    measured = LearnedLoss().measure(
        Outputs(extras={"predicted_loss": torch.tensor([0.3, -2.0, 1.5])})
    )
    candidates = Candidates(["a", "b", "c"], measured.double().numpy(), np.random.default_rng(0))
    assert LearnedLoss().query(candidates, 2)[0] == ["c", "a"]


@pytest.mark.slow
def test_a_run_cut_in_a_training_and_without_the_pool_s_labels_ends_the_same(digits, tmp_path):
    options = {"active_learning.cycles": 2, "model.bbox_head.num_classifiers": 1} | LL4AL
    whole, cut, root = tmp_path / "whole", tmp_path / "cut", tmp_path / "digits"
    ActiveLearningLoop(tiny_config(digits, **options), whole).run()
    log = "".join(p.read_text() for p in (whole / "cycle_01/train").glob("*/*.log"))
    assert "loss_learned" in log

    shutil.copytree(digits, root)
    pool = json.loads((whole / "pool.json").read_text())["images"]
    for name in (name for name, cycle in pool.items() if cycle < 0):
        (root / "Annotations" / f"{name}.xml").unlink()
    options |= {"pool.data_root": str(root), "test_dataloader.dataset.data_root": str(root)}
    cfg = tiny_config(digits, **options)
    with pytest.MonkeyPatch.context() as patch:
        epochs = itertools.count()

        def stop(self, runner):
            if next(epochs) == 1:  # of three, the last two with the gradient stopped
                raise KeyboardInterrupt

        patch.setattr("ads_det.engine.hooks.EpochSeedHook.after_train_epoch", stop, raising=False)
        with pytest.raises(KeyboardInterrupt):
            ActiveLearningLoop(cfg, cut).run()
    assert list((cut / "cycle_00/train").glob("epoch_*.pth"))
    ActiveLearningLoop(cfg, cut, resume=True).run()
    assert texts(cut) == texts(whole)
    paths = [d / "cycle_01/model.pth" for d in (whole, cut)]
    one, other = (torch.load(p, weights_only=True)["state_dict"] for p in paths)
    assert all(torch.equal(one[k], other[k]) for k in one)


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
scores = test_ll4al.scores_of(Path(sys.argv[1]))
if is_main_process():
    Path("two.json").write_text(scores)
"""
STRATEGIES_OF_ONE_MODEL = [
    dict(type="ads_det.LearnedLoss"),
    dict(type="ads_det.BALD", passes=3),
    dict(type="ads_det.MeanPredictionEntropy", passes=3),
    dict(type="ads_det.VariationRatio", passes=3),
    dict(type="ads_det.Discrepancy"),
]


def two_classifiers():
    options = {"model.dropout": 0.3, "active_learning.cycles": 2, "model.num_classifiers": 2}
    return tiny_classification_config(**options, **LL4AL)


def scores_of(work_dir, batch_size=256):
    """Picks and scores of each strategy, of the run's first model loaded anew."""
    cfg, folder = two_classifiers(), work_dir / "cycle_00"
    cfg.candidate_dataloader.batch_size = batch_size
    model = evaluation_runner(cfg, folder / "model.pth", work_dir / "scratch").model
    found = []
    for given in STRATEGIES_OF_ONE_MODEL:
        strategy = build_from(STRATEGIES, given, "strategy")
        lists = folder / "unlabeled.txt", folder / "labeled.txt"
        selection = select_images(cfg, *lists, strategy, 5, 7, lambda: [model])
        found.append((selection.picks, [round(float(x), 4) for x in selection.scores]))
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
        json.loads(scores_of(trained)), json.loads(scores_of(trained, 9)), strict=True
    ):
        assert picks == others and scores == pytest.approx(again, abs=2e-4)
        assert len(set(scores)) > 1


def test_two_processes_pick_the_same(trained, on_processes, tmp_path):
    script = tmp_path / "two.py"
    script.write_text(SCRIPT)
    on_processes(2, script, trained, Path(__file__).parent, launcher=())
    assert json.loads((tmp_path / "two.json").read_text()) == json.loads(scores_of(trained))


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
