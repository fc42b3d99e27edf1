"""The kill test in small; docs/reliability.md has the long one."""

import random
import runpy
from pathlib import Path

import pytest
import torch
from equal_runs import differences
from processes import Forked

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks/kills.py"))


def start_forked(command, log):
    return Forked(command, SCRIPT["ROOT"], log, log)


def test_one_number_of_what_a_strategy_learnt_is_a_difference(tmp_path):
    states = [dict(encoder=dict(w=torch.ones(3)), steps=[1, torch.zeros(2)]) for _ in "ab"]
    for name, state in zip("ab", states):
        (tmp_path / name).mkdir()
        torch.save(state, tmp_path / name / "sampler.pth")
    assert differences(tmp_path / "a", tmp_path / "b") == []
    states[1]["steps"][1][0] = 1e-7
    torch.save(states[1], tmp_path / "b/sampler.pth")
    assert differences(tmp_path / "a", tmp_path / "b") == ["sampler.pth"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "kills"),
    [
        ("detection", 3),
        ("classification", 3),
        ("retina", 2),
        ("ll4al", 2),
        ("vaal", 2),
        ("sraal", 2),
        ("dropout", 2),
        ("ensemble", 2),
        ("discrepancy", 2),
    ],
)
def test_killed_runs_end_like_undisturbed_ones(tmp_path, monkeypatch, capsys, task, kills):
    monkeypatch.setattr(SCRIPT["Process"], "start", staticmethod(start_forked))
    assert SCRIPT["test_task"](task, tmp_path, kills, random.Random(0)) == []
    out = capsys.readouterr().out
    assert f"{task}: {kills} kills of " in out
    stage = {"vaal": "fit ", "sraal": "fit ", "ensemble": "member_1 "}.get(task, "")
    assert stage in out.splitlines()[-1]
