"""Every method that is compared: without the pool's labels, and cut in the middle of its stage."""

import itertools
import json
import shutil

import pytest
import torch
from equal_runs import differences
from helpers import tiny_config

from ads_det.active.adversarial import LatentGame
from ads_det.active.loop import ActiveLearningLoop
from ads_det.benchmark.methods import Method, method_config
from ads_det.engine.hooks import EpochSeedHook

GAME = dict(size=8, z_dim=4, width=2, iterations=20, batch_size=8)
# a training has three epochs of two steps
STEP, ROUND = (EpochSeedHook, "after_train_iter"), (LatentGame, "discriminator_step")
TRAINING = (*STEP, 4, "cycle_00/train/epoch_1.pth", "cycle_00/model.pth")
FIT = (*ROUND, 8, "cycle_00/metrics.json", "cycle_00/sampler.pth")
MEMBER = (*STEP, 10, "cycle_00/member_1/train/epoch_1.pth", "cycle_00/member_1/model.pth")
# arguments of method and strategy, what is stopped at which call, and which file is there then
# and which is not
METHODS = {
    "ll4al+learnedloss": ({}, {}, TRAINING),
    "plain+vaal": ({}, GAME, FIT),
    "plain+sraal": ({}, GAME, FIT),
    "dropout+bald": ({}, dict(passes=3), TRAINING),
    "ensemble+bald": (dict(members=2), {}, MEMBER),
    "ads+discrepancy": ({}, {}, TRAINING),
}


def detector(data, name):
    """A tiny detector with a method and its strategy, two cycles."""
    cfg = tiny_config(data, **{"active_learning.cycles": 2})
    cfg = method_config(cfg, Method.parse(name), {})
    method, strategy, _ = METHODS[name]
    cfg.method.update(method)
    cfg.active_learning.strategy.update(strategy)
    return cfg


def cut_run(cfg, work_dir, owner, attribute, number):
    """Run until a method of a class is called for the ``number``-th time."""
    calls, original = itertools.count(1), getattr(owner, attribute)

    def stop(*args, **kwargs):
        if next(calls) == number:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, attribute, stop)
        with pytest.raises(KeyboardInterrupt):
            ActiveLearningLoop(cfg, work_dir).run()


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_run_cut_and_without_the_pool_s_labels_ends_the_same(digits, tmp_path, name):
    """Every file is compared; both runs have the same folders, which some files name."""
    root, run, whole = tmp_path / "digits", tmp_path / "run", tmp_path / "whole"
    shutil.copytree(digits, root)
    ActiveLearningLoop(detector(root, name), run).run()
    run.rename(whole)
    picks = (whole / "cycle_00/picks.txt").read_text().split()
    scores = [line.split(",")[1] for line in (whole / "cycle_00/scores.csv").open()][1:]
    assert len(picks) == 4 and len(set(scores)) > 18  # of 36: they say something

    pool = json.loads((whole / "pool.json").read_text())["images"]
    unlabeled = [image for image, cycle in pool.items() if cycle < 0]
    assert len(unlabeled) == 32
    for image in unlabeled:
        (root / "Annotations" / f"{image}.xml").unlink()
    *where, there, missing = METHODS[name][2]
    cut_run(detector(root, name), run, *where)
    assert (run / there).exists() and not (run / missing).exists()
    torch.manual_seed(99)  # another process stands elsewhere
    ActiveLearningLoop(detector(root, name), run, resume=True).run()
    assert differences(whole, run) == []
