"""The kill test in small; docs/reliability.md has the long one."""

import random
import runpy
from pathlib import Path

import pytest
from processes import Forked

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks/kills.py"))


def start_forked(command, log):
    return Forked(command, SCRIPT["ROOT"], log, log)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "kills"),
    [
        ("detection", 3),
        ("classification", 3),
        ("retina", 2),
    ],
)
def test_killed_runs_end_like_undisturbed_ones(tmp_path, monkeypatch, capsys, task, kills):
    monkeypatch.setattr(SCRIPT["Process"], "start", staticmethod(start_forked))
    assert SCRIPT["test_task"](task, tmp_path, kills, random.Random(0)) == []
    assert f"{task}: {kills} kills of " in capsys.readouterr().out
