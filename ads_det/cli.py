"""What the tools share: options, launchers, and errors without tracebacks."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import sys
import warnings
from collections.abc import Callable

import torch
from mmengine.config import DictAction
from mmengine.dist import init_dist, is_distributed
from mmengine.logging import MMLogger

from ads_det.console import say
from ads_det.errors import ADSError
from ads_det.files import cannot_write

# a disk that is full, over quota, read-only, or takes no larger file
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES)


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


def start_processes(launcher: str, local_rank: int = 0) -> None:
    """Join the process group that a launcher started: NCCL on GPUs, gloo on CPUs."""
    os.environ.setdefault("LOCAL_RANK", str(local_rank))
    if launcher == "none" or is_distributed():
        return
    if torch.cuda.is_available():
        init_dist(launcher)
    elif launcher == "pytorch":
        # mmengine's own function wants a CUDA device
        torch.distributed.init_process_group("gloo")
    else:
        raise ADSError(f"--launcher {launcher} needs GPUs; on CPUs use torchrun and pytorch.")


def print_metrics(metrics: dict[str, float]) -> None:
    """Print an evaluation on the main process, one metric a line."""
    say("\n".join(f"{name:32s} {float(value):.4f}" for name, value in metrics.items()))


def run_tool(main: Callable[[], None]) -> None:
    """Run a tool; a user's mistake ends it with one sentence and exit status 2."""
    # what other packages say while they are imported is nothing a user could act on
    warnings.filterwarnings("ignore", module="(mm|torch).*")
    MMLogger.get_current_instance().setLevel(logging.ERROR)
    try:
        main()
    except ADSError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in _DISK:
            raise
        print(f"error: {cannot_write(error.filename, error)}", file=sys.stderr)
        sys.exit(2)
    except KeyError as error:
        if "is not in the" not in str(error):  # mmengine's message for an unknown `type`
            raise
        print(f"error: {str(error.args[0]).split('. ')[0]}; correct its `type`.", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        sys.exit(130)
