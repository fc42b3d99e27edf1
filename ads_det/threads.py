"""How many threads a process computes with, where the user did not say.

Light: it must be called before torch is imported, whose thread pool reads the environment then.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path

from ads_det.errors import ADSError

MOST = 4  # the small models here gain nothing from more
_NAME = "OMP_NUM_THREADS"
# threads that wait must not spin: on a busy machine they keep those that work from the cores
_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
_LOCAL_SIZES = ("LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "SLURM_NTASKS_PER_NODE")


def choose_threads(environment: MutableMapping[str, str] = os.environ) -> int | None:
    """Choose the number of threads, let them wait passively, and write both to the environment.

    Returns:
        The number; None if the user has set ``OMP_NUM_THREADS``, which then holds.

    Raises:
        ADSError: if it is set to something else than a number.
    """
    for name, value in _PASSIVE.items():
        environment.setdefault(name, value)
    if environment.get(_NAME):
        number_set(environment)
        return None
    processes = next((environment[n] for n in _LOCAL_SIZES if environment.get(n)), "1")
    cores = usable_cores() // (int(processes) if processes.isdecimal() else 1)
    number = threads_for(cores, os.cpu_count() or 1, os.getloadavg()[0])
    environment[_NAME] = str(number)
    return number


def number_set(environment: Mapping[str, str] = os.environ) -> int:
    """What ``OMP_NUM_THREADS`` says; the first number of a list, one for each level.

    Raises:
        ADSError: if it is no whole number of 1 or more; OpenMP would take all cores then.
    """
    text = environment[_NAME]
    if not re.fullmatch(r"\s*0*[1-9][0-9]{0,3}\s*(,\s*[0-9]+\s*)*", text):
        raise ADSError(f"{_NAME} is {text!r}; set it to a whole number of threads, or unset it.")
    return int(text.partition(",")[0])


def threads_for(cores: int, machine: int, load: float) -> int:
    """The cores that are free, from 1 to :data:`MOST`.

    Args:
        cores: that this process may use.
        machine: cores that the machine has.
        load: processes that want one, a mean over the last minute.
    """
    return max(1, min(cores, machine - round(load), MOST))


def usable_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores of this process: by its affinity and by the quota of its container."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no quota
        limit, period = quota.read_text().split()
        cores = min(cores, int(limit) // int(period))
    return max(cores, 1)


def sentence(threads: int) -> str:
    """What was chosen, for the user."""
    return (
        f"Computing with {threads} thread{'s' * (threads > 1)} ({usable_cores()} core(s), load "
        f"{os.getloadavg()[0]:.1f}); set {_NAME} for another number."
    )
