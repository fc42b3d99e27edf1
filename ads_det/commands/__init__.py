"""The sub-commands of ``ads-det``; the scripts in ``tools/`` run the same ones.

A command is a module as :class:`ads_det.cli.Command` describes it and a line of ``COMMANDS``. Its
work lies in ``work/``, which is imported once the arguments are in order.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import textwrap
from typing import cast

import ads_det
from ads_det.arguments import suggestion
from ads_det.cli import STATUSES, Command, fail, prepared_streams, run_tool

COMMANDS = {  # what is typed: the module in this folder
    "init": "init",
    "run": "run",
    "import": "import_labels",
    "status": "status",
    "rank": "rank",
    "predict": "predict",
    "train": "train",
    "test": "test",
    "export": "export",
    "report": "report",
    "benchmark": "benchmark",
}


def load(name: str) -> Command:
    """The module of a sub-command."""
    return cast(Command, importlib.import_module(f"{__name__}.{COMMANDS[name]}"))


def main() -> None:
    """The command line of ``ads-det``."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in COMMANDS:
        run_tool(load(name), arguments, f"ads-det {name}")
        return
    with prepared_streams():
        if name in ("-h", "--help"):
            _parser().print_help()
        elif name == "--version":
            print(f"ads-det {ads_det.__version__}")
        else:
            kind = "option" if name.startswith("-") else "command"
            near = suggestion(name, [*COMMANDS, "--help", "--version"])
            fail(f"unknown {kind} {name}{near or '; see ads-det --help'}")


def _parser() -> argparse.ArgumentParser:
    end = textwrap.fill(f"ads-det COMMAND --help explains a command. {STATUSES}", 78)
    lines = [f"  {name:10s} {_summary(load(name))}" for name in COMMANDS]
    return argparse.ArgumentParser(
        prog="ads-det",
        usage="ads-det COMMAND [arguments]",
        description="Active learning for object detection.\n\ncommands:\n" + "\n".join(lines),
        epilog=end,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )


def _summary(command: Command) -> str:
    return (command.__doc__ or "").partition("\n")[0]
