"""Run every method with every seed, several at once, each in a process of its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ads_det.benchmark.methods import Method
from ads_det.console import progress_bar, say
from ads_det.errors import ADSError
from ads_det.files import read_json, write_json, write_text

# everything that a strategy cannot influence
_CYCLE_0 = ("labeled.txt", "unlabeled.txt", "positive.txt", "model.pth", "seconds.json")
_PACKAGES = ("ads_det", "torch", "torchvision", "mmengine", "onedl-mmengine", "mmcv", "onedl-mmcv")
_PACKAGES += ("mmdet", "onedl-mmdetection", "numpy", "scikit-learn")
_POLL = 0.5  # seconds between two looks at the processes


@dataclass
class Run:
    """One method with one seed in its own work directory.

    ``leader`` is the run with the same training and seed whose first model it takes.
    """

    method: Method
    seed: int
    cycles: int
    folder: Path
    leader: Run | None = None
    process: subprocess.Popen | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return f"{self.method.name} seed {self.seed}"

    @property
    def log(self) -> Path:
        return self.folder.with_name(self.folder.name + ".log")

    def finished_cycles(self) -> int:
        return sum(1 for _ in self.folder.glob("cycle_*/metrics.json"))

    def is_done(self) -> bool:
        """Whether the history holds every cycle."""
        history = self.folder / "history.json"
        return history.exists() and len(read_json(history)["cycles"]) >= self.cycles

    def is_ready(self) -> bool:
        """Whether the first model it takes from another run is there."""
        leader = self.leader
        return leader is None or self.finished_cycles() > 0 or leader.finished_cycles() > 0


class Benchmark:
    """All runs of a comparison in one folder: ``METHOD/seed_N`` is the work directory of a run.

    Runs of the same training and seed begin with the same images and the same model: the first
    of them trains it, the others copy it. What is finished is never run again, what was cut
    short goes on.

    Args:
        folder: of the comparison.
        configs: config of each method.
        seeds: of the runs.
        loop: path of the ``al_loop.py`` tool.

    Raises:
        ADSError: if the folder holds a comparison with another config of a method.
    """

    def __init__(
        self, folder: Path, configs: dict[Method, Config], seeds: Sequence[int], loop: Path
    ) -> None:
        self.folder, self.loop = folder, loop
        self.runs: list[Run] = []
        for seed in seeds:
            leaders: dict[str, Run] = {}
            for method, cfg in configs.items():
                work_dir = folder / method.name / f"seed_{seed}"
                leader = leaders.get(method.training)
                run = Run(method, seed, cfg.active_learning.cycles, work_dir, leader)
                leaders.setdefault(method.training, run)
                self.runs.append(run)
        self._write_manifest(configs, seeds)

    def run(self, jobs: int, threads: int) -> list[Run]:
        """Run what is not finished; returns the runs that failed.

        Args:
            jobs: processes at once.
            threads: of each process.
        """
        waiting = [run for run in self.runs if not run.is_done()]
        active: list[Run] = []
        failed: list[Run] = []
        say(f"{len(self.runs) - len(waiting)} of {len(self.runs)} runs are finished")
        total = sum(run.cycles for run in self.runs)
        try:
            with progress_bar(None, "cycles", total=total) as bar:
                while waiting or active:
                    for run in [r for r in active if r.process.poll() is not None]:
                        active.remove(run)
                        if run.process.returncode or not run.is_done():
                            failed.append(run)
                            say(f"FAILED: {run.name}, see {run.log}")
                            waiting = [r for r in waiting if r.leader is not run or r.is_ready()]
                        else:
                            say(f"finished: {run.name}")
                    ready = [r for r in waiting if r.is_ready()]
                    for run in ready[: jobs - len(active)]:
                        waiting.remove(run)
                        self._start(run, threads)
                        active.append(run)
                    bar.n = sum(r.finished_cycles() for r in self.runs)
                    bar.refresh()
                    time.sleep(_POLL)
        finally:
            for run in active:
                run.process.terminate()
        return failed

    def _start(self, run: Run, threads: int) -> None:
        if run.leader is not None:
            copy_first_cycle(run.leader.folder, run.folder)
        run.folder.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(self.loop), str(self._config_path(run.method))]
        command += ["--seed", str(run.seed), "--work-dir", str(run.folder), "--resume"]
        with open(run.log, "ab") as log:
            run.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            )

    def _config_path(self, method: Method) -> Path:
        return self.folder / method.name / "config.py"

    def _write_manifest(self, configs: dict[Method, Config], seeds: Sequence[int]) -> None:
        """Record what is run with what; refuse to mix two configs under one name."""
        path = self.folder / "manifest.json"
        stored = read_json(path) if path.exists() else dict(methods={}, seeds=[])
        hashes = {}
        for method, cfg in configs.items():
            text = cfg.pretty_text
            hashes[method.name] = hashlib.sha256(text.encode()).hexdigest()[:16]
            if stored["methods"].get(method.name, hashes[method.name]) != hashes[method.name]:
                raise ADSError(
                    f"{self.folder} holds runs of {method.name} with another config; use the same "
                    "config and options, or another --work-dir."
                )
        for method, cfg in configs.items():
            self._config_path(method).parent.mkdir(parents=True, exist_ok=True)
            write_text(self._config_path(method), cfg.pretty_text)
        content: dict[str, Any] = dict(
            methods=stored["methods"] | hashes,
            seeds=sorted({*stored["seeds"], *seeds}),
            versions=_versions(),
        )
        write_json(path, content)


def copy_first_cycle(source: Path, target: Path) -> None:
    """Give a run that has not begun the first model and its evaluation from another.

    A stage whose file exists is not run, so the files must be those that the run itself would
    have written: same images, same training, same seed. ``metrics.json`` comes last, because
    its presence tells that the copy is whole.
    """
    if (target / "cycle_00" / "metrics.json").exists():
        return
    if (target / "cycle_00").exists():  # a copy that was cut short, or a training of its own
        shutil.rmtree(target / "cycle_00")
    (target / "cycle_00").mkdir(parents=True)
    for name in (*_CYCLE_0, "metrics.json"):
        if (source / "cycle_00" / name).exists():
            shutil.copyfile(source / "cycle_00" / name, target / "cycle_00" / name)


def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
