"""What the commands share: how they start, launchers, and errors without tracebacks.

Importing this module imports no package but ads_det's own light ones, so that a mistake on the
command line is answered at once.
"""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import io
import logging
import os
import select
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from multiprocessing import active_children
from typing import IO, NoReturn, Protocol

from ads_det import crash
from ads_det.arguments import Parser
from ads_det.errors import ADSError, exit_without_stack
from ads_det.files import cannot_write
from ads_det.parent import end_with_parent
from ads_det.threads import choose_threads

# a disk that is full, over quota, read-only, or takes no larger file
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
# a path of other kind or rights than a command needs
_PATH = (errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
_PATH += (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.ENOENT)


class Command(Protocol):
    """A module of :mod:`ads_det.commands`. Its docstring is what ``--help`` says first, and all but
    ``main`` are light: they import neither torch nor mmengine. One with ``COMPUTES = True`` gets
    ``args.threads`` of :func:`~ads_det.threads.choose_threads`; with ``LIGHT = True`` its ``main``
    is light, too."""

    __doc__: str | None
    EXAMPLES: str  # the end of --help; %(prog)s is the command

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def check(self, args: argparse.Namespace) -> str:
        """Refuse (ADSError) what can be refused at once; say what the command is about to do."""

    def main(self, args: argparse.Namespace) -> None: ...


def make_parser(command: Command, prog: str | None = None) -> Parser:
    """The parser of a command, called ``prog``, or as the script was started."""
    parser = Parser(
        prog=prog or f"python {sys.argv[0]}", description=command.__doc__, epilog=command.EXAMPLES
    )
    command.add_arguments(parser)
    return parser


# where each launcher tells a process its rank, the number of all, and its rank on its machine
_ENVIRONMENT = {
    "pytorch": ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    "slurm": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
    "mpi": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
}
_STARTERS = {"pytorch": "torchrun", "slurm": "srun", "mpi": "mpirun"}


def check_launcher(launcher: str, local_rank: int = 0) -> None:
    """See that the launcher named on the command line has started this process.

    Raises:
        ADSError: if it has not.
    """
    if launcher == "none":
        return
    if launcher == "pytorch":
        os.environ.setdefault("LOCAL_RANK", str(local_rank))
    missing = [name for name in _ENVIRONMENT[launcher] if name not in os.environ]
    if missing:
        raise ADSError(
            f"--launcher {launcher}, but {missing[0]} is not set; start the command with "
            f"{_STARTERS[launcher]}, or leave --launcher out."
        )


def start_processes(launcher: str, local_rank: int = 0) -> None:
    """Join the process group that a launcher started: NCCL on GPUs, gloo on CPUs. Leave it with
    :func:`leave_processes`.

    Raises:
        ADSError: if the command was not started by that launcher.
    """
    import torch
    from mmengine.dist import init_dist, is_distributed

    if launcher == "none" or is_distributed():
        return
    check_launcher(launcher, local_rank)
    if torch.cuda.is_available():
        init_dist(launcher)
        return
    # mmengine's own function wants a CUDA device
    for name, source in zip(_ENVIRONMENT["pytorch"], _ENVIRONMENT[launcher], strict=True):
        os.environ[name] = os.environ[source]
    os.environ.setdefault("MASTER_ADDR", _first_host())
    os.environ.setdefault("MASTER_PORT", "29500")
    torch.distributed.init_process_group("gloo")


def leave_processes() -> None:
    """End the group's threads, if any, while the interpreter can still serve them.

    A thread of gloo that lets go of a collective's tensors during Python's own exit aborts the
    process, so that a run which had succeeded is reported as failed. Not to be called while a
    collective may be under way, as after an error in the backward pass: it would wait for the
    other processes.
    """
    distributed = sys.modules.get("torch.distributed")  # where it is not imported is no group
    if distributed and distributed.is_available() and distributed.is_initialized():
        gc.collect()  # a Runner holds itself, its model, and so the group
        distributed.destroy_process_group()


def _first_host() -> str:
    """The machine of rank 0 as Slurm names it, else this one."""
    nodes = os.environ.get("SLURM_NODELIST")
    if nodes is None:
        return "127.0.0.1"
    command = ["scontrol", "show", "hostname", nodes]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]


def print_metrics(metrics: dict[str, float]) -> None:
    """Print an evaluation on the main process, one metric a line."""
    from ads_det.console import say

    say("\n".join(f"{name:32s} {float(value):.4f}" for name, value in metrics.items()))


def run_tool(
    command: Command, arguments: Sequence[str] | None = None, prog: str | None = None
) -> None:
    """Run a command and end with one sentence if it cannot be done: with exit status 2 for what
    the user can correct, 130 if interrupted, 141 if nobody reads the output, and 70 for an error of
    the program, whose traceback is kept in a file that the sentence names.

    Args:
        command: module of :mod:`ads_det.commands`.
        arguments: words of the command line; those of this process by default.
        prog: what the user typed before them, if not ``python`` and a script.
    """
    end_with_parent()
    arguments = sys.argv[1:] if arguments is None else arguments
    typed = [*(prog.split() if prog else ("python", sys.argv[0])), *arguments]
    args = argparse.Namespace()
    with prepared_streams():
        try:
            args = make_parser(command, prog).parse_args(arguments)
            args.typed = typed
            about_to_do = command.check(args)
            exit_without_stack()
            if _is_main_process():
                print(about_to_do, flush=True)
            if getattr(command, "COMPUTES", False):
                threads = choose_threads()
                args.threads = None if threads is None else threads.number
                if threads is not None and _is_main_process():
                    print(f"{threads} OMP_NUM_THREADS overrides.", flush=True)
            if not getattr(command, "LIGHT", False):
                _quieten_packages()
            command.main(args)
            leave_processes()
        except ADSError as error:
            fail(str(error))
        except OSError as error:
            if error.errno in _DISK:
                fail(cannot_write(error.filename, error))
            if error.errno in _PATH and error.filename is not None:
                fail(f"{_shortened(error.filename)}: {error.strerror}; correct it.")
            if error.errno == errno.EPIPE:  # of an output stream
                raise
            _fail_unforeseen(error, typed, args)
        except KeyboardInterrupt:
            print("interrupted; what was finished is kept", file=sys.stderr)
            sys.exit(130)
        except Exception as error:
            if isinstance(error, KeyError) and "is not in the" in str(error):
                # mmengine's message for an unknown `type`
                fail(f"{str(error.args[0]).split('. ')[0]}; correct its `type`.")
            _fail_unforeseen(error, typed, args)


def _shortened(path: object, most: int = 200) -> str:
    """A path for a sentence: of a very long one its beginning."""
    text = str(path)
    return text if len(text) <= most else f"{text[:most]}..."


@contextmanager
def prepared_streams() -> Iterator[None]:
    """Standard streams that show what they can, and end the process quietly once nobody reads."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if stream is not None]
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            for stream in streams:
                stream.flush()
    except BrokenPipeError:
        closed = [stream for stream in streams if _is_closed(stream)]
        if not closed:  # another pipe
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in closed:  # Python writes what is left when it ends
            os.dup2(nowhere, stream.fileno())
        sys.exit(128 + signal.SIGPIPE)


def _is_closed(stream: IO[str]) -> bool:
    """Whether nobody reads the pipe any more."""
    with suppress(OSError, ValueError):  # no file of the system
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    return False


def _is_main_process() -> bool:
    """Whether this is the process of rank 0, before the group exists."""
    ranks = (os.environ.get(rank) for rank, *_ in _ENVIRONMENT.values())
    return next((rank for rank in ranks if rank is not None), "0") == "0"


def _quieten_packages() -> None:
    """Leave out what other packages say while they are imported: a user cannot act on it."""
    warnings.filterwarnings("ignore", module="(mm|torch).*")
    logging.raiseExceptions = False  # a log that a full disk refuses is no reason for a traceback
    from mmengine.logging import MMLogger

    MMLogger.get_current_instance().setLevel(logging.ERROR)
    import ads_det.registry  # noqa: F401  supplies the ops that mmdet looks for

    said = io.StringIO()
    with redirect_stdout(said):
        importlib.import_module("mmdet.datasets")
    for line in said.getvalue().splitlines():
        if "Could not import OneDL" not in line:  # data sets of a service that nobody here uses
            print(line)


def _fail_unforeseen(error: Exception, typed: Sequence[str], args: argparse.Namespace) -> NoReturn:
    """End with one sentence about an error that no check foresaw."""
    sentence = crash.outer_cause(error)
    if sentence is not None:
        for child in active_children():  # a stopped one would be waited for
            child.kill()
        # not through `fail`: the other processes of a group may be in the middle of a collective
        print(f"error: {sentence}", file=sys.stderr)
        sys.exit(2)
    file = crash.keep(error, typed, getattr(args, "config", None))
    what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    print(
        f"error: an error that ads_det did not foresee ({what}); please report it with "
        f"{file or 'its traceback, which no folder could take'}, which holds its traceback, the "
        "versions and the config; finished work is kept.",
        file=sys.stderr,
    )
    sys.exit(crash.STATUS)


def fail(sentence: str) -> NoReturn:
    """End with one sentence and exit status 2."""
    print(f"error: {sentence}", file=sys.stderr)
    leave_processes()
    sys.exit(2)
