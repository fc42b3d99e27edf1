"""Starting commands: as a user would, forked from one that has imported everything, or here."""

import contextlib
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ads_det import crash
from ads_det.cli import run_tool

TOOLS = Path(__file__).parents[1] / "tools"
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHON": sys.executable}

# Imports take longer than most of what the tests do. The server computes nothing, so that its
# children are as good as new.
_SERVER = multiprocessing.get_context("forkserver")
_COMMANDS = [f"ads_det.commands.work.{name}" for name in ("run", "rank", "train")]
_SERVER.set_forkserver_preload([*_COMMANDS, "frozen"])


def command(main, **attributes):
    """A command that does something."""

    def add_arguments(parser):
        parser.add_argument("config", nargs="?")

    return SimpleNamespace(
        __doc__="A command.",
        EXAMPLES="",
        add_arguments=add_arguments,
        check=lambda args: "Working ...",
        main=main,
        __name__="command",
        **attributes,
    )


def of_the_package(main):
    """The function as if it stood in the package: an error in it is one of ads_det's own."""
    main.__code__ = main.__code__.replace(co_filename=crash.__file__)
    return main


def ended(main, capsys, *arguments):
    """Exit status and sentence of a command that fails."""
    with pytest.raises(SystemExit) as stop:
        run_tool(command(main), list(arguments), "ads-det command")
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1, err
    return stop.value.code, err


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


class Forked:
    """A script in a process of its own, without the seconds of its imports.

    Its output goes to the ends of two files in ``folder``. The interface is Popen's.
    """

    def __init__(self, command, folder, out="out", err="err", **environment):
        arguments = ([str(part) for part in command], str(folder), out, err, environment)
        self._process = _SERVER.Process(target=_run_script, args=arguments)
        self._process.start()
        self.pid = self._process.pid
        self.kill = self._process.kill

    def poll(self):
        return self._process.exitcode

    def wait(self, timeout=200):
        self._process.join(timeout)
        if self.poll() is None:
            self.kill()
            raise TimeoutError(f"still running after {timeout} s")
        return self.poll()


def _run_script(command, folder, out, err, environment):
    import torch

    os.chdir(folder)
    for name, stream in ((out, 1), (err, 2)):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, stream)
        os.close(file)
    os.environ.update(environment)
    torch.set_num_threads(1)
    sys.stdout.reconfigure(line_buffering=True)
    sys.argv = command
    sys.path[:0] = [str(Path(command[0]).parent), *environment.get("PYTHONPATH", "").split()]
    runpy.run_path(command[0], run_name="__main__")


def forked(processes, command, folder, **environment):
    """What a script prints that succeeds in so many processes of one group."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        group = dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free.getsockname()[1]))
    out, err = folder / "out", folder / "err"
    before = [path.stat().st_size if path.exists() else 0 for path in (out, err)]
    running = []
    for rank in range(processes):
        names = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=processes, LOCAL_WORLD_SIZE=processes)
        ranks = {} if processes == 1 else group | {k: str(v) for k, v in names.items()}
        running.append(Forked(command, folder, **ranks, **environment))
    deadline = time.monotonic() + 200
    while any(p.poll() is None for p in running) and not any(p.poll() for p in running):
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    status = [p.poll() for p in running]
    for process in running:
        with contextlib.suppress(TimeoutError):
            process.kill()
            process.wait()
    assert status == [0] * processes, err.read_text()[before[1] :][-12000:]
    return out.read_text()[before[0] :]
