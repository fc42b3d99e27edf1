"""Import ads_det first: it supplies the ops that mmdet looks for while it is imported."""

import logging
import os
import runpy
import signal
import sys

import pytest

# before torch is imported: a process a core, each with one thread, is the fastest
os.environ.setdefault("OMP_NUM_THREADS", "1")
import ads_det.registry  # noqa: F401  isort: skip
from helpers import dump_config, tiny_config
from processes import TOOLS, forked

from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.strategies.base import MeasuredStrategy
from ads_det.data.synthetic import make_digits
from ads_det.engine.bfloat16 import ensure_bfloat16
from ads_det.registry import STRATEGIES

import frozen  # noqa: F401  isort: skip  (after all else)


def pytest_configure():
    """Before any test computes. The workers of xdist are started later and inherit the answer."""
    ensure_bfloat16()


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """A VOC-format folder of 40 training and 12 test images."""
    return make_digits(tmp_path_factory.mktemp("data") / "digits", pool=40, test=12, seed=0)


@pytest.fixture(scope="session")
def finished(digits, tmp_path_factory):
    """The work directory of a whole run of three cycles; not to be changed."""
    work_dir = tmp_path_factory.mktemp("run") / "whole"
    ActiveLearningLoop(tiny_config(digits), work_dir).run()
    return work_dir


@pytest.fixture(autouse=True)
def quiet_logs():
    """mmengine logs each weight it initialises."""
    logging.getLogger("mmengine").setLevel(logging.WARNING)


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run a tool; returns its exit status, output and errors."""

    def run(tool, *arguments):
        monkeypatch.setattr(sys, "argv", [tool, *map(str, arguments)])
        status = 0
        on_interrupt = signal.getsignal(signal.SIGINT)
        try:
            runpy.run_path(str(TOOLS / tool), run_name="__main__")
        except SystemExit as stop:
            status = stop.code or 0
        finally:
            signal.signal(signal.SIGINT, on_interrupt)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    monkeypatch.chdir(tmp_path)
    return run


class Gap(MeasuredStrategy):
    """Compares two predictions of an image."""

    min_members = 2

    def measure(self, outputs):
        first, second = outputs.members[:2]
        return (first - second).abs().flatten(1).mean(dim=1)


@pytest.fixture
def gap(monkeypatch):
    """A strategy ``ads_det.Gap`` that needs two predictions of each image."""
    STRATEGIES.import_from_location()
    monkeypatch.setitem(STRATEGIES.module_dict, "Gap", Gap)
    return Gap


@pytest.fixture
def config(digits, tmp_path):
    """A file with the config of a run of seconds."""
    path = tmp_path / "tiny.py"
    dump_config(tiny_config(digits, **{"method.positive_filter": "predicted"}), path)
    return path


@pytest.fixture
def on_processes(tmp_path):
    """Run a tool in gloo processes; returns what all print."""

    def run(processes, tool, *arguments, launcher=("--launcher", "pytorch")):
        launcher = launcher if processes > 1 else ()
        return forked(processes, [TOOLS / tool, *arguments, *launcher], tmp_path)

    return run
