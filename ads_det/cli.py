"""What the commands share: how they start and end, and errors without tracebacks.

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
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from multiprocessing import active_children
from typing import IO, NoReturn, Protocol

from ads_det import crash
from ads_det.arguments import Parser
from ads_det.errors import ADSError, exit_without_stack
from ads_det.files import cannot_write
from ads_det.launchers import is_first_process, leave_processes
from ads_det.memory import keep_freed_memory
from ads_det.parent import end_with_parent
from ads_det.threads import choose_threads

# a disk that is full, over quota, read-only, or takes no larger file
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
# a path of other kind or rights than a command needs
_PATH = (errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
_PATH += (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.ENOENT)


STATUSES = (
    "Exit status: 0 done, or labels are awaited; 1 runs of a comparison failed; 2 something to "
    "correct, which one sentence names; 70 an error of ads_det itself, kept in a file; 130 "
    "interrupted (Ctrl-C); 137 and 143 ended from outside (SIGKILL, SIGTERM); 141 nobody reads the "
    "output. After all but 0 the same command goes on, a run with --resume."
)


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
        prog=prog or f"python {sys.argv[0]}",
        description=command.__doc__,
        epilog=f"{command.EXAMPLES} {STATUSES}",
    )
    command.add_arguments(parser)
    return parser


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
            with one_word_of_workers():
                args = make_parser(command, prog).parse_args(arguments)
                args.typed = typed
                about_to_do = command.check(args)
                exit_without_stack()
                if is_first_process():
                    print(about_to_do, flush=True)
                if getattr(command, "COMPUTES", False):
                    keep_freed_memory()
                    threads = choose_threads()
                    args.threads = None if threads is None else threads.number
                    if threads is not None and is_first_process():
                        print(f"{threads} OMP_NUM_THREADS overrides.", flush=True)
                if not getattr(command, "LIGHT", False):
                    _find_temporary_folder()
                    _quieten_packages()
                command.main(args)
                leave_processes()
        except ADSError as error:
            fail(str(error))
        except OSError as error:
            if error.errno in _DISK:
                fail(cannot_write(error.filename or _written(args), error))
            if error.errno in _PATH and error.filename is not None:
                fail(f"{_shortened(error.filename)}: {error.strerror}; correct it.")
            if error.errno == errno.EPIPE and any(map(_is_closed, _streams())):
                raise  # an output stream; another pipe may be that to a process that loads images
            _fail_unforeseen(error, typed, args)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # one word of it is enough
            print("interrupted; what was finished is kept", file=sys.stderr)
            sys.exit(130)
        except Exception as error:
            if isinstance(error, ValueError) and "embedded null byte" in str(error):
                fail("A path holds a null byte, which no file name can; correct it.")
            if isinstance(error, KeyError) and "is not in the" in str(error):
                # mmengine's message for an unknown `type`
                fail(f"{str(error.args[0]).split('. ')[0]}; correct its `type`.")
            _fail_unforeseen(error, typed, args)


@contextmanager
def one_word_of_workers() -> Iterator[None]:
    """Let torch's handler, which raises in the main thread whenever a process that loads images has
    ended, do so once: the others, ended after it, would interrupt what is said of the first."""
    try:
        yield
    except ADSError:
        raise
    except Exception:  # what is told of the end of a worker may have many faces
        if "torch.utils.data" in sys.modules:
            with suppress(ValueError):  # not the main thread, which alone gets signals
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        raise


def _shortened(path: object, most: int = 200) -> str:
    """A path for a sentence: of a very long one its beginning."""
    text = str(path)
    return text if len(text) <= most else f"{text[:most]}..."


@contextmanager
def prepared_streams() -> Iterator[None]:
    """Standard streams that show what they can, and end the process quietly once nobody reads."""
    streams = _streams()
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


def _streams() -> list[IO[str]]:
    return [stream for stream in (sys.stdout, sys.stderr) if stream is not None]


def _is_closed(stream: IO[str]) -> bool:
    """Whether nobody reads the pipe any more."""
    with suppress(OSError, ValueError):  # no file of the system
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    return False


def _find_temporary_folder() -> None:
    """Refuse to begin where no file can be written meanwhile; mmengine reads configs by copies.

    Raises:
        ADSError: then.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise ADSError(
            "No temporary folder can be written (/tmp, /var/tmp or the current one); free space "
            "there, or set TMPDIR to a folder that can."
        ) from error


def _written(args: argparse.Namespace) -> object:
    """Where a command writes, as far as its arguments say."""
    return getattr(args, "work_dir", None) or getattr(args, "out", None)


def _quieten_packages() -> None:
    """Leave out what other packages say while they are imported: a user cannot act on it."""
    warnings.filterwarnings("ignore", module="(mm|torch).*")
    logging.raiseExceptions = False  # a log that a full disk refuses is no reason for a traceback
    os.environ["MPLBACKEND"] = "agg"  # figures are files; another one may be missing
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
        _give_up_loaders()
        # not through `fail`: the other processes of a group may be in the middle of a collective
        print(f"error: {sentence}", file=sys.stderr)
        sys.exit(2)
    file = crash.keep(error, typed, getattr(args, "config", None))
    what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    if place := crash.outer_file(error):
        print(
            f"error: {place}: {what}. That file is not of ads_det; correct it there, then run "
            f"again with --resume: finished work is kept. The traceback is in {file or 'no file'}.",
            file=sys.stderr,
        )
        sys.exit(2)
    print(
        f"error: an error that ads_det did not foresee ({what}); please report it with "
        f"{file or 'its traceback, which no folder could take'}, which holds its traceback, the "
        "versions and the config; finished work is kept.",
        file=sys.stderr,
    )
    sys.exit(crash.STATUS)


def _give_up_loaders() -> None:
    """End the processes that load images, and have nobody wait for them: a stopped one never ends,
    and a queue that the news of a dead one interrupted stays locked for ever."""
    for child in active_children():
        child.kill()
    module = sys.modules.get("torch.utils.data.dataloader")
    if module is not None:
        for found in gc.get_objects():
            if isinstance(found, module._MultiProcessingDataLoaderIter):
                found._shutdown = True


def fail(sentence: str) -> NoReturn:
    """End with one sentence and exit status 2."""
    print(f"error: {sentence}", file=sys.stderr)
    leave_processes()
    sys.exit(2)
