"""One cycle: train, evaluate, score, select; each stage ends with a file."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import barrier, broadcast_object_list, is_main_process
from mmengine.runner import Runner

from ads_det.active.oracle import Batch, Oracle
from ads_det.active.pool import Pool
from ads_det.active.prelabels import predict_labels
from ads_det.active.selection import select_images
from ads_det.active.settings import Settings
from ads_det.console import say
from ads_det.engine.seeding import derive_seed
from ads_det.engine.training import (
    candidate_loader,
    delete_checkpoints,
    evaluation_runner,
    train_model,
    training_config,
)
from ads_det.errors import ADSError
from ads_det.files import read_csv, read_ids, read_json, write_ids, write_json
from ads_det.labels.boxes import ImageLabels


class Cycle:
    """The stages of one cycle, each skipped when its file already exists.

    ``labeled.txt`` and ``unlabeled.txt`` (what the cycle may see), ``model.pth`` (trained),
    ``metrics.json`` (evaluated), ``scores.csv`` (all candidates, best first) and ``picks.txt``
    (selected).

    Args:
        cfg: the run's config.
        settings: its active-learning block.
        pool: as it stands when the cycle begins.
        oracle: knows the labels.
        number: of the cycle, from 0.
        folder: of the cycle.
        seed: of the run.
    """

    def __init__(
        self,
        cfg: Config,
        settings: Settings,
        pool: Pool,
        oracle: Oracle,
        number: int,
        folder: Path,
        seed: int,
    ) -> None:
        self.cfg, self.settings, self.pool, self.oracle = cfg, settings, pool, oracle
        self.number, self.folder, self.seed = number, folder, seed
        self._runner: Runner | None = None

    def run(self, select: bool) -> dict[str, Any]:
        """Bring the cycle to its end.

        Args:
            select: whether another cycle follows.

        Returns:
            The content of ``metrics.json``.
        """
        if is_main_process():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._check_lists()
        self._stage("lists", self.folder / "unlabeled.txt", self._write_lists)
        self._stage("train", self.folder / "model.pth", self._train)
        if is_main_process():
            delete_checkpoints(self.folder / "train")
        self._stage("evaluate", self.folder / "metrics.json", self._evaluate)
        if select:
            self._stage("select", self.folder / "picks.txt", self._select)
        self._runner = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return read_json(self.folder / "metrics.json")

    def batch(self) -> Batch:
        """What the finished selection asks to be labelled."""
        return Batch(self.folder.name, self.folder, self.picks, self.scores, self._propose)

    @property
    def picks(self) -> list[str]:
        """Ids chosen by the finished selection."""
        return read_ids(self.folder / "picks.txt")

    @property
    def unreadable(self) -> list[str]:
        """Ids of candidates that the finished selection could not read."""
        path = self.folder / "unreadable.txt"
        return read_ids(path) if path.exists() else []

    @property
    def scores(self) -> dict[str, float]:
        """Score of every candidate, best first."""
        return {row["id"]: float(row["score"]) for row in read_csv(self.folder / "scores.csv")}

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each finished stage, as far as recorded."""
        path = self.folder / "seconds.json"
        return read_json(path) if path.exists() else {}

    def _stage(self, name: str, result: Path, work: Callable[[], None]) -> None:
        """Do ``work``, which must end by writing ``result``, unless it was done before."""
        done = [result.exists()]
        broadcast_object_list(done, src=0)  # one process decides; the others may see less
        if done[0]:
            return
        start = time.perf_counter()
        work()
        if is_main_process():
            seconds = self.seconds | {name: round(time.perf_counter() - start, 2)}
            write_json(self.folder / "seconds.json", seconds)
        barrier()  # nor any process read before it has written

    def _check_lists(self) -> None:
        """Refuse files of another run: a stage whose file exists would count as done.

        Raises:
            ADSError: if the labelled images are not those of the pool.
        """
        path = self.folder / "labeled.txt"
        if path.exists() and read_ids(path) != self.pool.labeled(self.number):
            raise ADSError(
                f"{path} is not what pool.json says was labelled in this cycle; delete the folder "
                f"{self.folder} to do the cycle anew, or use another --work-dir."
            )

    # -- stages -----------------------------------------------------------------------------

    def _write_lists(self) -> None:
        unlabeled = self.pool.unlabeled(self.number)
        if self.settings.subset is not None and self.settings.subset < len(unlabeled):
            generator = np.random.default_rng(derive_seed(self.seed, self.number, "subset"))
            chosen = generator.choice(len(unlabeled), self.settings.subset, replace=False)
            unlabeled = [unlabeled[i] for i in sorted(chosen)]
        if is_main_process():
            write_ids(self.folder / "labeled.txt", self.pool.labeled(self.number))
            if (self.cfg.get("ads") or {}).get("positive_filter") == "oracle":
                self._write_positive(unlabeled)
            write_ids(self.folder / "unlabeled.txt", unlabeled)

    def _write_positive(self, unlabeled: list[str]) -> None:
        """The ids that the phases may see when the paper's filter is taken literally."""
        objects = self.oracle.count_objects(unlabeled)
        positive = [i for i in unlabeled if objects[i]]
        say(
            f"positive_filter='oracle' READ THE LABELS of {len(unlabeled)} unlabelled images: "
            f"the phases of cycle {self.number} see the {len(positive)} that have an object."
        )
        write_ids(self.folder / "positive.txt", positive)

    def _train(self) -> None:
        self._runner = train_model(self._training_config(), self.folder / "model.pth")

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
                filter_read_labels=(self.folder / "positive.txt").exists(),
                unreadable_images=self.pool.left_out(),
                metrics={k: float(v) for k, v in metrics.items()},
            )
            write_json(self.folder / "metrics.json", content)

    def _select(self) -> None:
        selection = select_images(
            self.cfg,
            self.folder / "unlabeled.txt",
            self.folder / "labeled.txt",
            self.settings.build_strategy(),
            self._budget(),
            derive_seed(self.seed, self.number, "select"),
            lambda: self._trained_runner().model,
        )
        if is_main_process():
            selection.write(self.folder)

    def _propose(self, ids: Sequence[str]) -> list[ImageLabels]:
        """What the cycle's model sees in some images."""
        proposals = predict_labels(
            self._trained_runner().model,
            candidate_loader(self.cfg, None),
            ids,
            self.cfg.train_dataloader.dataset.metainfo.classes,
            self.settings.proposal_threshold,
        )
        self._runner = None
        return proposals

    def _budget(self) -> int:
        """Images to choose: fewer only if unreadable ones leave fewer."""
        if not self.pool.left_out():
            return self.settings.budget
        return min(self.settings.budget, len(read_ids(self.folder / "unlabeled.txt")))

    # -- the Runner -------------------------------------------------------------------------

    def _trained_runner(self) -> Runner:
        """The Runner that trained or, after a restart, a new one with the weights it wrote."""
        if self._runner is None:
            model, work_dir = self.folder / "model.pth", self.folder / "train"
            self._runner = evaluation_runner(self.cfg, model, work_dir)
        return self._runner

    def _training_config(self) -> Config:
        positive = self.folder / "positive.txt"
        previous = self.folder.parent / f"cycle_{self.number - 1:02d}" / "model.pth"
        return training_config(
            self.cfg,
            work_dir=self.folder / "train",
            labeled=self.folder / "labeled.txt",
            unlabeled=positive if positive.exists() else self.folder / "unlabeled.txt",
            seed=derive_seed(self.seed, self.number),
            start_from=previous if self.settings.warm_start and self.number > 0 else None,
        )
