"""How many threads a process computes with, where the user did not say.

Light: it must be called before torch is imported, whose thread pool reads the environment then.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ads_det.errors import ADSError

MOST = 4  # the small models here gain nothing from more
_NAME = "OMP_NUM_THREADS"
# Threads that wait must not spin for long: on a busy machine they keep those that work from the
# cores. So many turns are some microseconds, less than a thread takes to fall asleep and wake.
_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "3000", "KMP_BLOCKTIME": "0"}
_LOCAL_SIZES = ("LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "SLURM_NTASKS_PER_NODE")


class Choice(NamedTuple):
    """A number of threads, and what led to it.

    Args:
        number: Number of threads.
        machine: cores that the machine has.
        busy: how many of them worked for others.
        processes: Processes of this command on this machine.
    """

    number: int
    machine: int
    busy: float
    processes: int = 1

    def __str__(self) -> str:
        threads = f"{self.number} thread{'s' * (self.number > 1)}"
        if self.processes > 1:
            return f"Computing with {threads} in each of {self.processes} processes."
        return f"Computing with {threads}: {self.busy:.1f} of {self.machine} cores are busy."


def choose_threads(environment: MutableMapping[str, str] = os.environ) -> Choice | None:
    """Choose the number of threads, let them wait passively, and write both to the environment.

    Returns:
        The choice; None if the user has set ``OMP_NUM_THREADS``, which then holds.

    Raises:
        ADSError: if it is set to something else than a number.
    """
    for name, value in _PASSIVE.items():
        environment.setdefault(name, value)
    if environment.get(_NAME):
        number_set(environment)
        return None
    text = next((environment[n] for n in _LOCAL_SIZES if environment.get(n)), "1")
    processes = max(int(text), 1) if text.isdecimal() else 1
    machine = os.cpu_count() or 1
    # processes that start together would take each other for neighbours
    busy = busy_cores(machine) if processes == 1 else 0.0
    number = threads_for(usable_cores() // processes, machine, busy)
    environment[_NAME] = str(number)
    return Choice(number, machine, busy, processes)


def number_set(environment: Mapping[str, str] = os.environ) -> int:
    """What ``OMP_NUM_THREADS`` says; the first number of a list, one for each level.

    Raises:
        ADSError: if it is no whole number of 1 or more; OpenMP would take all cores then.
    """
    text = environment[_NAME]
    if not re.fullmatch(r"\s*0*[1-9][0-9]{0,3}\s*(,\s*[0-9]+\s*)*", text):
        raise ADSError(f"{_NAME} is {text!r}; set it to a whole number of threads, or unset it.")
    return int(text.partition(",")[0])


def threads_for(cores: int, machine: int, busy: float) -> int:
    """The cores that are free, from 1 to :data:`MOST`.

    Args:
        cores: Cores that this process may use.
        machine: cores that the machine has.
        busy: how many of them work for others.
    """
    return max(1, min(cores, machine - round(busy), MOST))


def busy_cores(machine: int, stat: Path = Path("/proc/stat"), seconds: float = 0.2) -> float:
    """How many cores of the machine work now, while this process sleeps.

    The load average of the last minute would still count a job that has just ended; it stands in
    where the system keeps no account of its cores.

    Args:
        machine: cores that it has.
        stat: the kernel's account.
        seconds: how long to look.
    """
    with suppress(OSError, ValueError, IndexError):
        before = _ticks(stat)
        time.sleep(seconds)
        idle, total = (after - b for after, b in zip(_ticks(stat), before))
        if total > 0:
            return machine * (1 - min(idle / total, 1.0))
    return os.getloadavg()[0]


def _ticks(stat: Path) -> tuple[int, int]:
    """Clock ticks of all cores together since the start: idle or waiting for a disk, and all."""
    ticks = [int(word) for word in stat.read_text().splitlines()[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def usable_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores of this process: by its affinity and by the quota of its container."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no quota
        limit, period = quota.read_text().split()
        cores = min(cores, int(limit) // int(period))
    return max(cores, 1)
