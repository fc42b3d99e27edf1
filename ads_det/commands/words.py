"""The next command, as this one was typed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

SCRIPTS = dict(run="al_loop.py", report="report.py")
SCRIPTS["import"] = "import_labels.py"


def next_command(typed: Sequence[str], name: str, *arguments: object) -> str:
    """A sub-command of ``ads-det``, or its script beside the one that runs.

    Args:
        typed: words of the command line of this command, see :func:`ads_det.cli.run_tool`.
        name: Name of the sub-command.
        *arguments: of it.
    """
    words = ["ads-det", name]
    if typed[0] != "ads-det":
        words = [typed[0], str(Path(typed[1]).with_name(SCRIPTS[name]))]
    return shlex.join([*words, *map(str, arguments)])
