"""A crash at the rename of each file, before it and after it; then the run is resumed."""

import os

import pytest
from helpers import tiny_classification_config

from ads_det.active.loop import ActiveLearningLoop


class Crash(BaseException):
    """The process dies: nothing catches it."""


def options():
    # a warm start: evaluation must not load the weights that a training begins with
    return {
        "active_learning.cycles": 2,
        "active_learning.warm_start": True,
        "default_hooks.checkpoint.interval": 2,
    }


def content(work_dir):
    files = sorted(p for p in work_dir.rglob("*") if p.suffix in (".txt", ".csv", ".png"))
    kept = [p for p in files if p.name != "history.csv" and "train" not in p.parts]
    kept += [work_dir / "pool.json", *work_dir.rglob("epoch_*.pth")]  # none of the latter stays
    return {str(p.relative_to(work_dir)): p.read_bytes() for p in kept}


def run(work_dir, resume=False):
    return ActiveLearningLoop(tiny_classification_config(**options()), work_dir, resume).run()


@pytest.fixture(scope="module")
def renames(tmp_path_factory):
    """Expected content, and the names of the files that a run puts in place, in order."""
    work_dir = tmp_path_factory.mktemp("crash") / "run"
    original, names = os.replace, []

    def replace(source, target):
        names.append(os.path.basename(target))
        original(source, target)

    os.replace = replace
    try:
        history = run(work_dir)
    finally:
        os.replace = original
    return content(work_dir), [row.metrics for row in history.rows], names


@pytest.mark.parametrize(
    ("name", "after"),
    [
        *(("pool.json", True), ("epoch_2.pth", True), ("model.pth", False), ("picks.txt", False)),
        *(
            pytest.param(name, after, marks=pytest.mark.slow)
            for name, after in [
                *(("pool.json", False), ("unlabeled.txt", False), ("unlabeled.txt", True)),
                *(("epoch_2.pth", False), ("model.pth", True), ("picks.txt", True)),
                *(("metrics.json", False), ("metrics.json", True)),
                *(("history.json", False), ("history.json", True)),
                *(("picks.png", False), ("picks.png", True)),
            ]
        ),
    ],
)
def test_a_crash_at_a_rename(renames, tmp_path, monkeypatch, name, after):
    expected, metrics, names = renames
    assert name in names
    work_dir = tmp_path / "run"
    original = os.replace

    def replace(source, target):
        if os.path.basename(target) == name:
            if after:
                original(source, target)
            raise Crash
        original(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(Crash):
            run(work_dir)
    history = run(work_dir, resume=True)
    assert [row.metrics for row in history.rows] == metrics
    assert content(work_dir) == expected
