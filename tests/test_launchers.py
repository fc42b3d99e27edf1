"""How a tool joins the processes that a launcher started, and how it leaves them."""

import os
import socket
import subprocess
import sys

import pytest
from processes import ENVIRONMENT, TOOLS, output

from ads_det.errors import ADSError
from ads_det.launchers import check_launcher, start_processes

ALONE = dict(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", MASTER_ADDR="127.0.0.1")


@pytest.fixture
def alone(monkeypatch):
    """The environment of the only process that torchrun started."""
    for name in ("MASTER_PORT", "SLURM_NODELIST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    check_launcher("pytorch")
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RANK", "1", "RANK and WORLD_SIZE are 1 and 1; a rank is less than the number of ranks"),
        ("RANK", "-1", "RANK is '-1' in the environment; the launcher gives a whole number"),
        ("WORLD_SIZE", "two", "WORLD_SIZE is 'two' in the environment"),
        ("LOCAL_RANK", "", "LOCAL_RANK is '' in the environment"),
        ("MASTER_PORT", "65536", "MASTER_PORT is '65536' in the environment"),
        ("MASTER_ADDR", "a b", r"MASTER_ADDR is 'a b', which is not found \(.+\); correct it"),
        ("MASTER_ADDR", "a..b", r"MASTER_ADDR is 'a..b', which is not found \(it is no name"),
    ],
)
def test_an_environment_that_no_launcher_gives(alone, name, value, message):
    alone.setenv(name, value)
    with pytest.raises(ADSError, match=message):
        check_launcher("pytorch")


@pytest.fixture
def taken(alone):
    """A port at which no group can be made, so that none is left behind."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        alone.setenv("MASTER_PORT", str(port))
        yield port


def test_a_port_that_is_taken(taken):
    with pytest.raises(ADSError, match=f"cannot meet at 127.0.0.1:{taken} .*a port that is free"):
        start_processes("pytorch")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('test "$3" = "node[7-8]" && printf "127.0.0.1\\nnode8\\n"', "cannot meet at 127.0.0.1:"),
        ("exit 1", "scontrol does not say its first machine; set MASTER_ADDR to it"),
        ("exit 0", "scontrol does not say its first machine"),
        (None, "scontrol does not say its first machine"),
    ],
)
def test_processes_of_slurm_meet_on_its_first_machine(alone, taken, tmp_path, script, message):
    """A stand-in for scontrol tells it; where there is none, MASTER_ADDR does."""
    if script is not None:
        (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "scontrol").chmod(0o755)
    alone.setenv("PATH", str(tmp_path))
    alone.setenv("SLURM_NODELIST", "node[7-8]")
    with pytest.raises(ADSError, match=f"cannot meet at 127.0.0.1:{taken}"):
        start_processes("pytorch")
    alone.delenv("MASTER_ADDR")
    with pytest.raises(ADSError, match=message):
        start_processes("pytorch")


@pytest.mark.slow
def test_no_thread_of_the_group_outlives_the_tool(config, finished, tmp_path):
    """One that is busy while Python ends would abort a process whose work is done."""
    watched = tmp_path / "watched.py"
    watched.write_text(
        "import atexit, os, runpy, sys\n"
        "from pathlib import Path\n"
        "@atexit.register\n"
        "def note_threads():\n"
        "    names = [name.read_text() for name in Path('/proc/self/task').glob('*/comm')]\n"
        "    threads = [name.strip() for name in names if 'gloo' in name]\n"
        "    Path('threads' + os.environ['RANK']).write_text(str(threads))\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    arguments = (config, finished / "cycle_00/labeled.txt", "--work-dir", tmp_path / "run")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += [watched, TOOLS / "train.py", *arguments, "--launcher", "pytorch"]
    output(command, tmp_path)
    assert [(tmp_path / f"threads{rank}").read_text() for rank in (0, 1)] == ["[]", "[]"]


@pytest.mark.slow
def test_slurm_gives_ranks_and_the_script_asks_for_them(tmp_path, config):
    """A stand-in for srun starts the processes with Slurm's variables; all else is real."""
    srun = tmp_path / "bin/srun"
    srun.parent.mkdir()
    srun.write_text(
        "#!/usr/bin/env bash\n"
        'echo "$@" > srun.txt\n'
        'while [ "$1" != --kill-on-bad-exit=1 ]; do shift; done; shift\n'
        "for rank in 0 1; do\n"
        '  SLURM_PROCID=$rank SLURM_LOCALID=$rank SLURM_NTASKS=2 "$@" & pids+=($!)\n'
        "done\n"
        'for pid in "${pids[@]}"; do wait "$pid" || exit 1; done\n'
    )
    srun.chmod(0o755)
    command = [TOOLS / "slurm_al_loop.sh", "cpu", "job", config, "--work-dir", "run"]
    path = f"{srun.parent}:{os.environ['PATH']}"
    slurm = dict(GPUS="2", GPUS_PER_NODE="0", CPUS_PER_TASK="1")
    out = output([*command, "--cycles", 1], tmp_path, PATH=path, MASTER_PORT="29731", **slurm)
    assert out.count("Cycle 1 of 1") == 1
    asked = (tmp_path / "srun.txt").read_text()
    assert "--partition cpu --job-name job --ntasks 2 --ntasks-per-node 2" in asked
    assert "--gres" not in asked


@pytest.mark.parametrize("launcher", ["pytorch", "slurm", "mpi"])
def test_a_launcher_that_did_not_start_the_command(run, config, launcher):
    status, _, err = run("al_loop.py", config, "--launcher", launcher)
    assert status == 2 and "is not set; start the command with" in err


@pytest.mark.slow
def test_mpi_gives_ranks(tmp_path):
    script = (
        "from ads_det.launchers import leave_processes, start_processes; start_processes('mpi')\n"
        "from mmengine.dist import all_gather_object, get_rank\n"
        "assert all_gather_object(get_rank()) == [0, 1]; leave_processes()"
    )
    names = ("RANK", "SIZE", "LOCAL_RANK")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env=ENVIRONMENT
            | {f"OMPI_COMM_WORLD_{n}": str(v) for n, v in zip(names, (rank, 2, rank))}
            | {"MASTER_PORT": "29733"},
        )
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
