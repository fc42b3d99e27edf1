"""Processes that a launcher started: torchrun, srun or mpirun.

Light: what is large is imported where it is used.
"""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys

from ads_det.errors import ADSError

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
    rank, size = (_number_of(name) for name in _ENVIRONMENT[launcher][:2])
    if rank >= size:
        names = " and ".join(_ENVIRONMENT[launcher][:2])
        raise ADSError(f"{names} are {rank} and {size}; a rank is less than the number of ranks.")
    for name in (_ENVIRONMENT[launcher][2], "MASTER_PORT"):
        if name in os.environ:
            _number_of(name)
    host = os.environ.get("MASTER_ADDR")
    if host is not None:
        try:
            socket.getaddrinfo(host, None)
        except (OSError, UnicodeError) as error:  # gloo would look for it for minutes
            why = getattr(error, "strerror", None) or "it is no name of a machine"
            raise ADSError(
                f"MASTER_ADDR is {host!r}, which is not found ({why}); correct it."
            ) from error


def _number_of(name: str) -> int:
    """A whole number of the environment."""
    text = os.environ[name]
    if not (text.isascii() and text.isdecimal()) or int(text) >= 2**16:
        raise ADSError(f"{name} is {text!r} in the environment; the launcher gives a whole number.")
    return int(text)


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
    if "MASTER_ADDR" not in os.environ:
        os.environ["MASTER_ADDR"] = _first_host()
    os.environ.setdefault("MASTER_PORT", "29500")
    try:
        torch.distributed.init_process_group("gloo")
    except (RuntimeError, ValueError) as error:
        place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise ADSError(
            f"The processes cannot meet at {place} ({str(error).splitlines()[0][:200]}); correct "
            "MASTER_ADDR and MASTER_PORT, such as to a port that is free."
        ) from error


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
    """The machine of rank 0 as Slurm names it, else this one.

    Raises:
        ADSError: if Slurm does not say.
    """
    nodes = os.environ.get("SLURM_NODELIST")
    if nodes is None:
        return "127.0.0.1"
    command = ["scontrol", "show", "hostname", nodes]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True)
        return said.stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError) as error:  # as inside a container
        raise ADSError(
            f"SLURM_NODELIST is {nodes!r}, but scontrol does not say its first machine; set "
            "MASTER_ADDR to it."
        ) from error


def is_first_process() -> bool:
    """Whether this is the process of rank 0, before the group exists."""
    ranks = (os.environ.get(rank) for rank, *_ in _ENVIRONMENT.values())
    return next((rank for rank in ranks if rank is not None), "0") == "0"
