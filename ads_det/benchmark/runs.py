"""Run every method with every seed, several at once, each in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
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
from ads_det.engine.run_settings import fingerprint
from ads_det.engine.stored_config import write_config
from ads_det.errors import ADSError
from ads_det.files import is_count, read_table, write_json, write_text
from ads_det.lock import lock_folder
from ads_det.parent import PARENT
from ads_det.work_files import COPIED, RunFiles

_PACKAGES = ("ads_det", "torch", "torchvision", "mmengine", "onedl-mmengine", "mmcv", "onedl-mmcv")
_PACKAGES += ("mmdet", "onedl-mmdetection", "numpy", "scikit-learn")

RUN = (sys.executable, "-m", "ads_det", "run")


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


# fields of manifest.json
MANIFEST = dict(
    config=lambda value: isinstance(value, str),
    trainings=_is_texts,
    methods=_is_texts,
    seeds=lambda value: isinstance(value, list) and all(is_count(seed) for seed in value),
    versions=lambda value: isinstance(value, list) and all(map(_is_texts, value)),
)
_POLL = 0.5  # seconds between two looks at the processes


@dataclass
class Run:
    """One method with one seed in its own work directory."""

    method: Method
    seed: int
    cycles: int
    folder: Path
    process: subprocess.Popen | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return f"{self.method.name} seed {self.seed}"

    @property
    def log(self) -> Path:
        return self.folder.with_name(self.folder.name + ".log")

    def last_words(self) -> str:
        """The last line of the log: of a failed run, what is wrong."""
        lines = self.log.read_text(errors="replace").strip().splitlines() or ["it wrote nothing"]
        return lines[-1].removeprefix("error: ")

    def finished_cycles(self) -> int:
        return sum(c.metrics_file.exists() for c in RunFiles(self.folder).cycles().values())

    def is_done(self) -> bool:
        """Whether the history holds every cycle."""
        files = RunFiles(self.folder)
        return files.history.exists() and len(files.read_history()["cycles"]) >= self.cycles

    def shares_start_with(self, other: Run) -> bool:
        return (self.method.training, self.seed) == (other.method.training, other.seed)

    def folders_with_first_model(self) -> list[Path]:
        """Work directories of the same training and seed whose first cycle is evaluated."""
        folders = sorted(
            self.folder.parents[1].glob(f"{self.method.training}+*/{self.folder.name}")
        )
        return [p for p in folders if RunFiles(p).cycle(0).metrics_file.exists()]


class Benchmark:
    """All runs of a comparison in one folder: ``METHOD/seed_N`` is the work directory of a run.

    Runs of the same training and seed begin with the same images and the same model: the first
    of them trains it, the others copy it. What is finished is never run again, what was cut
    short goes on.

    Args:
        folder: folder of the comparison; locked until the object is gone.
        config: what all methods begin from.
        configs: config of each method.
        seeds: run seeds.
        program: what runs a config, as words of a command line.

    Raises:
        ADSError: if the folder holds a comparison with another config, or another process
            works in it.
    """

    def __init__(
        self,
        folder: Path,
        config: Config,
        configs: dict[Method, Config],
        seeds: Sequence[int],
        program: Sequence[str] = RUN,
    ) -> None:
        self.folder, self._program = folder, program
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock_folder(folder)
        self.runs = [
            Run(
                method,
                seed,
                method_config.active_learning.cycles,
                folder / method.name / f"seed_{seed}",
            )
            for seed in dict.fromkeys(seeds)
            for method, method_config in configs.items()
        ]
        self._write_manifest(config, configs, seeds)

    def run(self, jobs: int, threads: int) -> list[Run]:
        """Run what is not finished; returns the runs that failed.

        Args:
            jobs: processes at once.
            threads: threads of each process.
        """
        waiting = [run for run in self.runs if not run.is_done()]
        active: list[Run] = []
        failed: list[Run] = []
        say(f"{len(self.runs) - len(waiting)} of {len(self.runs)} runs are finished")
        total = sum(run.cycles for run in self.runs)
        # its runs must end with it; and processes forked later must not inherit the handler
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            with progress_bar(None, "cycles", total=total) as bar:
                while waiting or active:
                    for run in [r for r in active if r.process and r.process.poll() is not None]:
                        active.remove(run)
                        if run.is_done():
                            say(f"finished: {run.name}")
                        else:
                            failed.append(run)
                            say(f"FAILED: {run.name}: {run.last_words()} (its log: {run.log})")
                    for run in list(waiting):
                        if len(active) < jobs and self._is_ready(run, active):
                            waiting.remove(run)
                            self._start(run, threads)
                            active.append(run)
                    bar.n = sum(r.finished_cycles() for r in self.runs)
                    bar.refresh()
                    time.sleep(_POLL)
        finally:
            signal.signal(signal.SIGTERM, before)
            for run in active:
                if run.process is not None:
                    run.process.terminate()
                    run.process.wait()
        return failed

    @staticmethod
    def _is_ready(run: Run, active: Sequence[Run]) -> bool:
        """Whether the first model is there, or no other run is training it."""
        others = any(run.shares_start_with(other) for other in active)
        return bool(run.folders_with_first_model()) or not others

    def _start(self, run: Run, threads: int) -> None:
        run.folder.parent.mkdir(parents=True, exist_ok=True)
        sources = [path for path in run.folders_with_first_model() if path != run.folder]
        if sources and not RunFiles(run.folder).pool.exists():
            copy_first_cycle(sources[0], run.folder)
        command = [*self._program, str(self._config_path(run.method))]
        command += ["--seed", str(run.seed), "--work-dir", str(run.folder), "--resume"]
        with open(run.log, "ab") as log:
            run.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": str(threads), PARENT: str(os.getpid())},
            )

    def _config_path(self, method: Method) -> Path:
        return self.folder / method.name / "config.json"

    def _write_manifest(
        self, config: Config, configs: dict[Method, Config], seeds: Sequence[int]
    ) -> None:
        """Record what is run with what; refuse to mix configs in one comparison."""
        path = self.folder / "manifest.json"
        stored = read_table(path, **MANIFEST) if path.exists() else {}
        base = _hash(config)
        hashes = {method.name: _hash(cfg) for method, cfg in configs.items()}
        trainings = {m.training: _hash(cfg, "strategy") for m, cfg in configs.items()}
        known = stored.get("methods", {}), stored.get("trainings", {})
        changed = [name for name in hashes if known[0].get(name, hashes[name]) != hashes[name]]
        changed += [n for n in trainings if known[1].get(n, trainings[n]) != trainings[n]]
        if stored.get("config", base) != base:
            changed.append("the config")
        if changed:
            raise ADSError(
                f"{self.folder} holds runs of {changed[0]} with other settings; use the same "
                "config and options, or another --work-dir."
            )
        for method, cfg in configs.items():
            self._config_path(method).parent.mkdir(parents=True, exist_ok=True)
            write_config(self._config_path(method), cfg)
        versions = stored.get("versions", [])
        content: dict[str, Any] = dict(
            config=base,
            trainings=known[1] | trainings,
            methods=known[0] | hashes,
            seeds=sorted({*stored.get("seeds", []), *seeds}),
            # of each installation that ran a part of it
            versions=versions if _versions() in versions else [*versions, _versions()],
        )
        write_json(path, content)


def copy_first_cycle(source: Path, target: Path) -> None:
    """Give a run that has not begun the first model and its evaluation from another.

    A stage whose file exists is not run, so the files must be those that the run itself would
    have written: same images, same training, same seed. The folder takes its place whole.
    """
    place_of_cycle = RunFiles(target).cycle(0).folder
    copy = place_of_cycle.with_name(f".{place_of_cycle.name}.copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.rmtree(place_of_cycle, ignore_errors=True)  # nothing is committed yet
    copy.mkdir(parents=True)
    for path in _before_selection(source):
        if path.exists():
            place = copy / path.relative_to(RunFiles(source).cycle(0).folder)
            place.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, place)
    write_text(copy / COPIED, f"{source}\n")
    copy.rename(place_of_cycle)


def _before_selection(run: Path) -> list[Path]:
    """Files of the first cycle that a strategy cannot influence."""
    files = RunFiles(run).cycle(0)
    lists = [files.labeled_list, files.candidates_list, files.positive_list, files.inputs]
    return [*lists, *files.found_models(), files.seconds_file, files.metrics_file]


def _hash(cfg: Config, *but: str) -> str:
    """Of the settings that decide what a run computes and shows, without the strategy if ``but``
    names it."""
    whole: dict[str, Any] = cfg.to_dict()
    block = {k: v for k, v in (whole.get("active_learning") or {}).items() if k not in but}
    facts = fingerprint(Config(whole | dict(active_learning=block), format_python_code=False))
    content = [facts, block.get("metric")]
    text = json.dumps(content, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
