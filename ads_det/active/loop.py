"""Cycles until the budget is spent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import barrier, broadcast_object_list, is_main_process

from ads_det.active.checks import check_num_classes, check_strategy
from ads_det.active.cycle import Cycle
from ads_det.active.initial import choose_initial
from ads_det.active.oracle import INITIAL, Batch, HumanOracle, Oracle, SimulatedOracle
from ads_det.active.pool import Pool
from ads_det.active.settings import Settings, prepare_data
from ads_det.active.work_dir import WorkDir
from ads_det.console import say
from ads_det.data.pool_dataset import MAX_NAMED, and_more
from ads_det.engine.checkpoints import check_pretrained
from ads_det.engine.training import (
    candidate_dataset,
    check_training,
    prepare_bfloat16,
    test_dataset,
)
from ads_det.errors import ADSError
from ads_det.files import read_ids, write_atomic, write_ids
from ads_det.report.gallery import plot_picks
from ads_det.report.history import History


class ActiveLearningLoop:
    """Active learning on a pool whose labels are bought, from a data set that knows them all or
    from people.

    Args:
        cfg: a config with an ``active_learning`` block.
        work_dir: where everything is written.
        resume: go on with the run in ``work_dir``, if there is one.
        command: that goes on with this run, for the user.

    Raises:
        ADSError: if the config has a mistake, ``work_dir`` holds a run and ``resume`` is
            False, or that run had another configuration.
    """

    def __init__(
        self,
        cfg: Config,
        work_dir: str | Path,
        resume: bool = False,
        command: str = "the command of this run again, with --resume",
    ) -> None:
        self.cfg, self._command = cfg, command
        self.settings = Settings.from_config(cfg)
        check_training(cfg)
        prepare_bfloat16(cfg)
        check_strategy(self.settings, cfg)
        self.seed = int(cfg.get("randomness", {}).get("seed") or 0)
        self.work_dir = WorkDir(work_dir, cfg, self.seed)
        if self.work_dir.has_run() and not resume:
            raise ADSError(
                f"{work_dir} already holds a run; add --resume to continue it, or choose another "
                "--work-dir."
            )
        self.oracle = self._build_oracle()
        self.is_waiting = False  # for labels
        check_pretrained(self.cfg)  # before anything is written that names them
        self.pool = self._open_pool()
        settings, most = self.settings, len(self.pool)
        self.history = History(
            self.work_dir.path, settings.metric, settings.budget, settings.min_gain, most
        )

    def run(self) -> History:
        """Run all cycles that are not finished yet, or up to labels that are still to come.

        Returns:
            The history of all cycles; ``is_waiting`` says whether labels are awaited.
        """
        if not self.pool.labeled():
            self.is_waiting = not self._label_initial()
        for number in range(0 if self.is_waiting else self.settings.cycles):
            is_last = number == self.settings.cycles - 1
            folder = self.work_dir.path / f"cycle_{number:02d}"
            say(
                f"\nCycle {number + 1} of {self.settings.cycles}: "
                f"{len(self.pool.labeled(number))} of {len(self.pool)} images labelled"
            )
            cycle = Cycle(
                self.cfg, self.settings, self.pool, self.oracle, number, folder, self.seed
            )
            result = cycle.run(select=not is_last)
            self.history.add(result, cycle.seconds)
            if is_main_process():
                self.history.write()
                if not is_last:
                    self._draw_picks(cycle)
            if not is_last and self._is_committed(number):
                continue  # what was done before needs no word
            say(self.history.table())
            if advice := self.history.advice_text():
                say(advice)
            if not is_last:
                labeled = self.oracle.label(cycle.batch())
                if labeled is None:
                    self.is_waiting = True
                    break
                self.pool.label(labeled, number + 1)
                self.pool.leave_out(cycle.unreadable)
                self._save_pool()
        barrier()
        return self.history

    def _draw_picks(self, cycle: Cycle) -> None:
        picture = cycle.folder / "picks.png"
        if not picture.exists():
            picks, scores = cycle.picks, cycle.scores
            write_atomic(
                picture, lambda file: plot_picks(picks, self.images.open_image, scores, file)
            )

    def _is_committed(self, number: int) -> bool:
        return bool(self.pool.labeled_in.max(initial=-1) > number)

    # -- state ------------------------------------------------------------------------------

    def _open_pool(self) -> Pool:
        if is_main_process():
            prepare_data(self.cfg)
        barrier()
        self.images = candidate_dataset(self.cfg)
        ids = self.images.image_ids()
        classes = getattr(self.images, "metainfo", {}).get("classes") or ()
        check_num_classes(self.cfg.model, classes)
        existed = [self.work_dir.has_run()]
        broadcast_object_list(existed, src=0)  # one process decides; the others may see less
        if existed[0]:
            if is_main_process():
                self.work_dir.lock()
            pool = self.work_dir.read_pool(ids)
            # images that broke since shorten the last purchases, they do not stop the run
            self.settings.check_pool(len(pool), len(pool.labeled(0)))
            return pool
        pool = Pool(ids)
        pool.leave_out(self._unreadable())
        initial = self.settings.initial
        number = len(read_ids(initial)) if isinstance(initial, str) else initial
        self.settings.check_pool(len(pool) - len(pool.left_out()), number)
        if not self._asks_for_initial():
            self._take_initial(pool, self._choose_initial(pool)[0])
        if is_main_process():
            self.work_dir.begin(pool)
        barrier()
        return pool

    def _asks_for_initial(self) -> bool:
        """Whether the first images are known, or their labels there, only after some work."""
        human = isinstance(self.oracle, HumanOracle)
        return human or self.settings.initial_strategy is not None

    def _choose_initial(self, pool: Pool) -> tuple[list[str], list[str]]:
        folder = self.work_dir.path / INITIAL
        return choose_initial(self.cfg, self.settings, pool, self.seed, folder)

    def _take_initial(self, pool: Pool, ids: Sequence[str]) -> None:
        """Begin with some labelled images.

        Raises:
            ADSError: if none of them has an object of the configured classes: there would be
                nothing to learn from.
        """
        pool.label(ids, 0)
        if not any(self.oracle.count_objects(ids).values()):
            raise ADSError(
                f"None of the {len(ids)} initial images has an object of one of the configured "
                "classes; correct `metainfo.classes`, or raise active_learning.initial."
            )

    def _label_initial(self) -> bool:
        """Choose the first images, ask for their labels; whether the labels are there."""
        folder = self.work_dir.path / INITIAL
        chosen = [(folder / "picks.txt").exists()]
        broadcast_object_list(chosen, src=0)
        if not chosen[0]:
            ids, unreadable = self._choose_initial(self.pool)
            self.pool.leave_out(unreadable)
            self._save_pool()
            if is_main_process():
                folder.mkdir(parents=True, exist_ok=True)
                ids += self.oracle.unlabeled_test_ids(self.cfg)
                write_ids(folder / "picks.txt", ids)
            barrier()
        batch = Batch(INITIAL, folder, read_ids(folder / "picks.txt"))
        labeled = self.oracle.label(batch)
        if labeled is None:
            return False
        self._take_initial(self.pool, [name for name in labeled if name in self.pool])
        self._save_pool()
        return True

    def _build_oracle(self) -> Oracle:
        dataset = self.cfg.train_dataloader.dataset
        if self.settings.oracle == "simulated":
            return SimulatedOracle(dataset)
        if (self.cfg.get("ads") or {}).get("positive_filter") == "oracle":
            raise ADSError(
                "ads.positive_filter='oracle' reads labels of the pool, which nobody has given "
                "(active_learning.oracle='human'); use 'predicted' or 'none'."
            )
        return HumanOracle(dataset, self.work_dir.path, self._command)

    def _unreadable(self) -> list[str]:
        """Images of the pool to leave out, looked for by the main process.

        Raises:
            ADSError: if a test image cannot be read: every cycle needs it.
        """
        found: list[Any] = [{}]
        if is_main_process():
            test = test_dataset(self.cfg)
            for name, why in test.unreadable_images().items() if test is not None else ():
                raise ADSError(
                    f"The test image {name!r} cannot be read ({why}); replace it or take it off "
                    "the test set."
                )
            found = [self.images.unreadable_images()]
        broadcast_object_list(found, src=0)
        reasons = [f"{name} ({why})" for name, why in found[0].items()]
        if reasons:
            say(
                f"Left out {len(reasons)} image(s) of the pool that cannot be read: "
                + "; ".join(reasons[:MAX_NAMED])
                + and_more(len(reasons) - MAX_NAMED)
            )
        return list(found[0])

    def _save_pool(self) -> None:
        if is_main_process():
            self.work_dir.save(self.pool)
        barrier()
