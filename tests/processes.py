"""Starting several processes as a user would."""

import os
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).parents[1] / "tools"
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHON": sys.executable}


def output(command, folder, **environment):
    """What a command that succeeds prints."""
    result = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert result.returncode == 0, result.stderr[-12000:]
    return result.stdout
