"""What the tools share: options, launchers, and errors without tracebacks."""

from __future__ import annotations

import argparse
import errno
import gc
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import NoReturn

import torch
from mmengine.config import DictAction
from mmengine.dist import init_dist, is_distributed
from mmengine.logging import MMLogger

from ads_det.console import say
from ads_det.errors import ADSError
from ads_det.files import cannot_write

# a disk that is full, over quota, read-only, or takes no larger file
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
# a path of other kind or rights than a command needs
_PATH = (errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """``--cfg-options``, ``--launcher`` and ``--local_rank``."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        metavar="KEY=VALUE",
        help="override settings of the config, e.g. active_learning.cycles=3 "
        "train_cfg.max_epochs=20 (lists as key='[a,b]')",
    )
    parser.add_argument(
        "--launcher",
        choices=("none", "pytorch", "slurm", "mpi"),
        default="none",
        help="how the processes of a distributed run were started (torchrun: pytorch)",
    )
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


# where each launcher tells a process its rank, the number of all, and its rank on its machine
_ENVIRONMENT = {
    "pytorch": ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    "slurm": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
    "mpi": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
}
_STARTERS = {"pytorch": "torchrun", "slurm": "srun", "mpi": "mpirun"}


def start_processes(launcher: str, local_rank: int = 0) -> None:
    """Join the process group that a launcher started: NCCL on GPUs, gloo on CPUs. Leave it with
    :func:`leave_processes`.

    Raises:
        ADSError: if the command was not started by that launcher.
    """
    if launcher == "none" or is_distributed():
        return
    if launcher == "pytorch":
        os.environ.setdefault("LOCAL_RANK", str(local_rank))
    missing = [name for name in _ENVIRONMENT[launcher] if name not in os.environ]
    if missing:
        raise ADSError(
            f"--launcher {launcher}, but {missing[0]} is not set; start the command with "
            f"{_STARTERS[launcher]}, or leave --launcher out."
        )
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
    if is_distributed():
        gc.collect()  # a Runner holds itself, its model, and so the group
        torch.distributed.destroy_process_group()


def _first_host() -> str:
    """The machine of rank 0 as Slurm names it, else this one."""
    nodes = os.environ.get("SLURM_NODELIST")
    if nodes is None:
        return "127.0.0.1"
    command = ["scontrol", "show", "hostname", nodes]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]


def print_metrics(metrics: dict[str, float]) -> None:
    """Print an evaluation on the main process, one metric a line."""
    say("\n".join(f"{name:32s} {float(value):.4f}" for name, value in metrics.items()))


def run_tool(main: Callable[[], None]) -> None:
    """Run a tool; a user's mistake ends it with one sentence and exit status 2."""
    # what other packages say while they are imported is nothing a user could act on
    warnings.filterwarnings("ignore", module="(mm|torch).*")
    MMLogger.get_current_instance().setLevel(logging.ERROR)
    logging.raiseExceptions = False  # a log that a full disk refuses is no reason for a traceback
    try:
        main()
        leave_processes()
    except ADSError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno in _DISK:
            _fail(cannot_write(error.filename, error))
        if error.errno in _PATH:
            _fail(f"{error.filename}: {error.strerror}; correct it.")
        raise
    except KeyError as error:
        if "is not in the" not in str(error):  # mmengine's message for an unknown `type`
            raise
        _fail(f"{str(error.args[0]).split('. ')[0]}; correct its `type`.")
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        sys.exit(130)


def _fail(sentence: str) -> NoReturn:
    """End with one sentence and exit status 2."""
    print(f"error: {sentence}", file=sys.stderr)
    leave_processes()
    sys.exit(2)
