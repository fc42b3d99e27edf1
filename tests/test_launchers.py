"""How a tool joins the processes that a launcher started, and how it leaves them."""

import os
import subprocess
import sys

import pytest
from processes import ENVIRONMENT, TOOLS, output


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
