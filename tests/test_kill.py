"""The kill test in small; docs/reliability.md has the long one."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "kill_test.py"


@pytest.mark.parametrize(
    ("task", "kills"), [("detection", 2), ("retina", 2), ("classification", 3)]
)
def test_killed_runs_end_like_undisturbed_ones(tmp_path, task, kills):
    command = [sys.executable, SCRIPT, "--kills", str(kills), "--task", task]
    done = subprocess.run(
        [*map(str, command), "--work-dir", str(tmp_path / "kills")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{task}: {kills} kills of " in done.stdout and "): 0 differences" in done.stdout
