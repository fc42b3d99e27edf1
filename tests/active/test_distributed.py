"""Two and three gloo processes on the CPU, started by torchrun as a user would."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import tiny_config

from ads_det.active.pool import Pool

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def torchrun(tmp_path):
    def run(processes, tool, *arguments):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc_per_node={processes}", str(TOOLS / tool), *map(str, arguments)]
        result = subprocess.run(
            [*command, "--launcher", "pytorch"],
            cwd=tmp_path,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert result.returncode == 0, result.stderr[-3000:]
        return result.stdout

    return run


@pytest.fixture
def config(digits, tmp_path):
    path = tmp_path / "tiny.py"
    tiny_config(digits, **{"ads.positive_filter": "predicted"}).dump(path)
    return path


def test_the_loop_on_two_processes(torchrun, config, tmp_path):
    out = torchrun(2, "al_loop.py", config, "--work-dir", tmp_path / "run", "--cycles", 2)
    assert out.count("Cycle 2 of 2: 8 of 40 images labelled") == 1  # one process talks
    pool, _ = Pool.load(tmp_path / "run/pool.json")
    assert [len(pool.labeled(c)) for c in (0, 1)] == [4, 8]
    cycles = json.loads((tmp_path / "run/history.json").read_text())["cycles"]
    assert [row["labeled_images"] for row in cycles] == [4, 8]


def test_a_main_process_that_writes_slowly_is_waited_for(torchrun, config, tmp_path):
    """The others must not read a stage's file before it is there, not even in the last cycle."""
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import sys, time\n"
        "import ads_det.registry\n"
        "from ads_det.active import cycle\n"
        "from mmengine.dist import is_main_process\n"
        "write = cycle.write_json\n"
        "def write_slowly(*args):\n"
        "    time.sleep(2)\n"
        "    write(*args)\n"
        "cycle.write_json = write_slowly\n"
        "import runpy\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    arguments = (TOOLS / "al_loop.py", config, "--work-dir", tmp_path / "run", "--cycles", 1)
    torchrun(2, slow, *arguments)
    assert (tmp_path / "run/history.json").exists()


def test_picks_do_not_depend_on_the_number_of_processes(torchrun, config, finished, tmp_path):
    """37 candidates in batches of 8 divide evenly by none of the numbers."""
    folder = finished / "cycle_00"
    excluded = tmp_path / "excluded.txt"
    excluded.write_text("".join((folder / "labeled.txt").read_text().splitlines(True)[:3]))
    files = []
    for processes in (1, 2, 3):
        out = tmp_path / f"out{processes}"
        arguments = (config, folder / "model.pth", "--exclude", excluded, "--out", out)
        torchrun(processes, "select.py", *arguments)
        files.append([(out / name).read_text() for name in ("scores.csv", "picks.txt")])
    assert len(files[0][0].splitlines()) == 38
    assert files[0] == files[1] == files[2]
