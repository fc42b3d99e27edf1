"""The kill test in small; docs/reliability.md has the long one."""

import random
import runpy
from pathlib import Path

import pytest
from processes import Forked

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks/kills.py"))


def start_forked(command, log):
    return Forked(command, SCRIPT["ROOT"], log, log)


@pytest.mark.parametrize(
    ("task", "kills"),
    [
        ("classification", 1),
        pytest.param("detection", 3, marks=pytest.mark.slow),
        pytest.param("classification", 3, marks=pytest.mark.slow),
        pytest.param("retina", 2, marks=pytest.mark.slow),
    ],
)
def test_killed_runs_end_like_undisturbed_ones(tmp_path, monkeypatch, capsys, task, kills):
    monkeypatch.setattr(SCRIPT["Process"], "start", staticmethod(start_forked))
    assert SCRIPT["test_task"](task, tmp_path, kills, random.Random(0)) == []
    assert f"{task}: {kills} kills of " in capsys.readouterr().out
