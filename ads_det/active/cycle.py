"""One cycle: train, evaluate, score, select; each stage ends with a file."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import barrier, broadcast_object_list, is_main_process
from mmengine.logging import print_log
from mmengine.runner import Runner

from ads_det.active.files import read_csv, read_json, write_atomic, write_csv, write_ids, write_json
from ads_det.active.oracle import SimulatedOracle
from ads_det.active.pool import Pool
from ads_det.active.scoring import measure_candidates
from ads_det.active.settings import Settings
from ads_det.active.strategies import Candidates
from ads_det.core.ranking import rank
from ads_det.data.pool_dataset import read_ids
from ads_det.engine.phases import unwrap
from ads_det.engine.runner import CycleRunner, read_model, write_model
from ads_det.engine.seeding import derive_seed
from ads_det.engine.training import candidate_loader, training_config
from ads_det.errors import ADSError


class Cycle:
    """The stages of one cycle, each skipped when its file already exists.

    ``labeled.txt`` and ``unlabeled.txt`` (what the cycle may see), ``model.pth`` (trained),
    ``metrics.json`` (evaluated), ``scores.csv`` (all candidates, best first) and ``picks.txt``
    (selected).

    Args:
        cfg: the run's config.
        settings: its active-learning block.
        pool: as it stands when the cycle begins.
        number: of the cycle, from 0.
        folder: of the cycle.
        seed: of the run.
    """

    def __init__(
        self, cfg: Config, settings: Settings, pool: Pool, number: int, folder: Path, seed: int
    ) -> None:
        self.cfg, self.settings, self.pool = cfg, settings, pool
        self.number, self.folder, self.seed = number, folder, seed
        self.oracle = SimulatedOracle(cfg.train_dataloader.dataset)
        self._runner: Runner | None = None

    def run(self, select: bool) -> dict[str, Any]:
        """Bring the cycle to its end.

        Args:
            select: whether another cycle follows.

        Returns:
            The content of ``metrics.json``.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._stage("lists", self.folder / "unlabeled.txt", self._write_lists)
        self._stage("train", self.folder / "model.pth", self._train)
        self._stage("evaluate", self.folder / "metrics.json", self._evaluate)
        if select:
            self._stage("select", self.folder / "picks.txt", self._select)
        self._runner = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return read_json(self.folder / "metrics.json")

    @property
    def picks(self) -> list[str]:
        """Ids chosen by the finished selection."""
        return read_ids(self.folder / "picks.txt")

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each finished stage, as far as recorded."""
        path = self.folder / "seconds.json"
        return read_json(path) if path.exists() else {}

    def _stage(self, name: str, result: Path, work: Callable[[], None]) -> None:
        """Do ``work``, which must end by writing ``result``, unless it was done before."""
        barrier()  # no process may look before the main one has finished writing
        if result.exists():
            return
        barrier()  # nor the main one write before all have looked
        start = time.perf_counter()
        work()
        if is_main_process():
            seconds = self.seconds | {name: round(time.perf_counter() - start, 2)}
            write_json(self.folder / "seconds.json", seconds)

    # -- stages -----------------------------------------------------------------------------

    def _write_lists(self) -> None:
        unlabeled = self.pool.unlabeled()
        if self.settings.subset is not None and self.settings.subset < len(unlabeled):
            generator = np.random.default_rng(derive_seed(self.seed, self.number, "subset"))
            chosen = generator.choice(len(unlabeled), self.settings.subset, replace=False)
            unlabeled = [unlabeled[i] for i in sorted(chosen)]
        if is_main_process():
            write_ids(self.folder / "labeled.txt", self.pool.labeled())
            if (self.cfg.get("ads") or {}).get("positive_filter") == "oracle":
                self._write_positive(unlabeled)
            write_ids(self.folder / "unlabeled.txt", unlabeled)

    def _write_positive(self, unlabeled: list[str]) -> None:
        """The ids that the phases may see when the paper's filter is taken literally."""
        objects = self.oracle.count_objects(unlabeled)
        positive = [i for i in unlabeled if objects[i]]
        print_log(
            f"positive_filter='oracle' READ THE LABELS of {len(unlabeled)} unlabelled images: "
            f"the phases of cycle {self.number} see the {len(positive)} that have an object.",
            "current",
            logging.WARNING,
        )
        write_ids(self.folder / "positive.txt", positive)

    def _train(self) -> None:
        runner = self._build_runner()
        runner.train()
        if is_main_process():
            write_atomic(self.folder / "model.pth", lambda file: write_model(runner, file))
        barrier()
        # all processes go on from the file: BatchNorm statistics differ between them
        read_model(unwrap(runner.model), self.folder / "model.pth")
        if is_main_process():
            for name in ("last_checkpoint", "epoch_*.pth"):
                for path in (self.folder / "train").glob(name):
                    path.unlink()

    def _evaluate(self) -> None:
        metrics = self._trained_runner().test()
        if f"mean/{self.settings.metric}" not in metrics:
            raise ADSError(
                f"active_learning.metric is {self.settings.metric!r}, but the evaluation gave "
                f"{', '.join(k[5:] for k in metrics if k.startswith('mean/'))}; use one of them."
            )
        if is_main_process():
            labeled = read_ids(self.folder / "labeled.txt")
            objects = sum(self.oracle.count_objects(labeled).values())
            content = dict(
                cycle=self.number,
                labeled_images=len(labeled),
                labeled_objects=objects,
                metrics={k: float(v) for k, v in metrics.items()},
            )
            write_json(self.folder / "metrics.json", content)

    def _select(self) -> None:
        strategy = self.settings.build_strategy()
        ids, values = read_ids(self.folder / "unlabeled.txt"), None
        if strategy.needs_model:
            model = self._trained_runner().model
            loader = candidate_loader(self.cfg, self.folder / "unlabeled.txt")
            ids, values = measure_candidates(model, loader, strategy.measure)
        generator = np.random.default_rng(derive_seed(self.seed, self.number, "select"))
        if len(ids) < self.settings.budget:
            raise ADSError(
                f"Cycle {self.number} has {len(ids)} candidates, fewer than the budget of "
                f"{self.settings.budget}; raise active_learning.subset or lower the budget."
            )
        try:
            picks, utilities = strategy.query(
                Candidates(ids, values, generator), self.settings.budget
            )
        except ValueError as error:
            raise ADSError(f"Cycle {self.number} cannot select: {error}.") from error
        # every process has computed the same; the main one's word counts
        picks, utilities = _from_main([picks, utilities])
        if is_main_process():
            order = rank(ids, utilities.tolist())
            rows = [(ids[i], repr(float(utilities[i]))) for i in order]
            write_csv(self.folder / "scores.csv", ("id", "score"), rows)
            write_ids(self.folder / "picks.txt", picks)

    def scores(self) -> dict[str, float]:
        """Score of every candidate, best first."""
        rows = read_csv(self.folder / "scores.csv")
        return {row["id"]: float(row["score"]) for row in rows}

    # -- the Runner -------------------------------------------------------------------------

    def _trained_runner(self) -> Runner:
        """The Runner that trained or, after a restart, a new one with the weights it wrote."""
        if self._runner is None:
            runner = self._build_runner()
            read_model(unwrap(runner.model), self.folder / "model.pth")
        assert self._runner is not None
        return self._runner

    def _build_runner(self) -> Runner:
        positive = self.folder / "positive.txt"
        self._runner = CycleRunner.from_cfg(
            training_config(
                self.cfg,
                work_dir=self.folder / "train",
                labeled=self.folder / "labeled.txt",
                unlabeled=positive if positive.exists() else self.folder / "unlabeled.txt",
                seed=derive_seed(self.seed, self.number),
            )
        )
        return self._runner


def _from_main(objects: list[Any]) -> list[Any]:
    broadcast_object_list(objects, src=0)
    return objects
