"""The kill test in small; docs/reliability.md has the long one."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "kill_test.py"


@pytest.mark.parametrize("task", ["detection", "classification"])
def test_killed_runs_end_like_undisturbed_ones(tmp_path, task):
    command = [sys.executable, SCRIPT, "--kills", "3", "--task", task]
    done = subprocess.run(
        [*map(str, command), "--work-dir", str(tmp_path / "kills")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{task}: 3 kills of " in done.stdout and "): 0 differences" in done.stdout
