"""Cycles until the budget is spent."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process

from ads_det.active.checks import check_named_classes, check_num_classes, check_strategies
from ads_det.active.cycle import Cycle
from ads_det.active.history import history_of
from ads_det.active.initial import choose_initial, choose_readable, number_of_initial
from ads_det.active.inputs import check_inputs, note_inputs
from ads_det.active.oracle import Batch, Commands, HumanOracle, Oracle, SimulatedOracle
from ads_det.active.picks_picture import draw_picks
from ads_det.active.pool import Pool
from ads_det.active.readability import check_test_images, unreadable_images
from ads_det.active.settings import Settings, prepare_data, run_seed
from ads_det.active.work_dir import WorkDir
from ads_det.console import say
from ads_det.data.pool_dataset import PoolDataset
from ads_det.distributed import from_main, on_main
from ads_det.engine.datasets import (
    candidate_dataset,
    check_data,
    check_pool_type,
    check_test_objects,
    pool_config,
    test_dataset,
)
from ads_det.engine.dry_forward import try_step
from ads_det.engine.dry_run import check_config
from ads_det.engine.model_config import has_background
from ads_det.engine.pretrained import check_pretrained, weight_files
from ads_det.engine.training import check_training, prepare_bfloat16
from ads_det.errors import ADSError
from ads_det.files import write_ids
from ads_det.report.history import History
from ads_det.standing import has_trained, standing

# images of a pool that are all read before the first cycle; of a larger one those that a cycle uses
READ_FIRST = 100_000


class ActiveLearningLoop:
    """Active learning on a pool whose labels are acquired, from a data set that knows them all or
    from people.

    Args:
        cfg: a config with an ``active_learning`` block.
        work_dir: where everything is written.
        resume: go on with the run in ``work_dir``, if there is one.
        commands: Commands that the user may type next.
    """

    settings: Settings
    oracle: Oracle
    images: PoolDataset
    pool: Pool
    history: History

    def __init__(
        self,
        cfg: Config,
        work_dir: str | Path,
        resume: bool = False,
        commands: Commands | None = None,
    ) -> None:
        self.cfg, self._resume, self._commands = cfg, resume, commands or Commands()
        self.seed = run_seed(cfg)
        self.work_dir = WorkDir(work_dir, cfg, self.seed)
        self.is_open = False
        self.is_waiting = False  # for labels

    def check(self) -> None:
        """Build everything that the config names once; neither images nor weights are read and
        nothing is written.

        Raises:
            ADSError: if the config has a mistake.
        """
        self.settings = settings = Settings.from_config(self.cfg)
        self._method = check_training(self.cfg)
        check_pool_type(self.cfg)
        prepare_bfloat16(self.cfg)
        check_config(self.cfg)
        try_step(self.cfg)
        check_strategies(settings, self.cfg, self._method)
        check_named_classes(self.cfg)

    def open(self) -> None:
        """Check everything that can be checked before work, and take possession of the work
        directory: begin the run, or read its state.

        Raises:
            ADSError: if the config has a mistake, the work directory holds a run and ``resume``
                is False, or that run had another configuration.
        """
        self.check()
        if from_main(self._is_only_begun):
            on_main(self.work_dir.begin_anew)
        if from_main(self.work_dir.has_run) and not self._resume:
            raise ADSError(
                f"{self.work_dir.path} already holds a run; add --resume to continue it, or choose "
                "another --work-dir."
            )
        self.oracle = self._build_oracle()
        check_pretrained(self.cfg)  # before anything is written that names them
        self.pool = self._open_pool()
        self.history = history_of(self.settings, self.work_dir.files, len(self.pool))
        self.is_open = True

    def run(self) -> History:
        """Run all cycles that are not finished yet, or up to labels that are still to come.

        Returns:
            The history of all cycles; ``is_waiting`` says whether labels are awaited.

        Raises:
            ADSError: as :meth:`open`.
        """
        if not self.is_open:
            self.open()
        if not self.pool.labeled():
            self.is_waiting = not self._label_initial()
        for number in range(0 if self.is_waiting else self.settings.cycles):
            is_last = number == self.settings.cycles - 1
            say(
                f"\nCycle {number + 1} of {self.settings.cycles}: "
                f"{len(self.pool.labeled(number))} of {len(self.pool)} images labelled"
            )
            run = self.work_dir.files
            cycle = Cycle(self.cfg, self.settings, self.pool, self.oracle, number, run, self.seed)
            labeled_now = self.pool.labeled(number)
            goes_on = self.settings.warm_start and number > 0
            weights = [] if goes_on else weight_files(self.cfg)
            on_main(functools.partial(note_inputs, cycle.files, self.images, labeled_now, weights))
            self.history.add(cycle.run(select=not is_last))
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
                    on_main(functools.partial(self._draw_picks, cycle))  # with what is proposed
                    self.is_waiting = True
                    break
                self.pool.label(labeled, number + 1)
                self.pool.leave_out(cycle.files.unreadable())
                self._save_pool()
        barrier()
        return self.history

    def _is_only_begun(self) -> bool:
        """Whether the work directory holds a run that has trained nothing and handed nothing out,
        and that this one is not to go on with: other settings, or no ``resume``."""
        run, files = self.work_dir, self.work_dir.files
        if not run.has_run() or has_trained(files) or files.initial.package.exists():
            return False
        return not self._resume or not run.is_of_this_config()

    def _draw_picks(self, cycle: Cycle) -> None:
        if cycle.files.picks_picture.exists():
            return
        _, scores = cycle.selected()
        background = has_background(self.cfg.model)
        draw_picks(cycle.files, self.settings, self.images, scores, background)

    def _is_committed(self, number: int) -> bool:
        return bool(self.pool.labeled_in.max(initial=-1) > number)

    # -- state ------------------------------------------------------------------------------

    def _open_pool(self) -> Pool:
        on_main(lambda: prepare_data(self.cfg))
        self.images = candidate_dataset(self.cfg)
        ids = self.images.image_ids()
        classes = getattr(self.images, "metainfo", {}).get("classes") or ()
        check_num_classes(self.cfg.model, classes)
        on_main(self._check_data)
        if from_main(self.work_dir.has_run):
            if is_main_process():
                self.work_dir.lock()
            pool = self.work_dir.read_pool(ids)
            if not isinstance(self.oracle, HumanOracle) or pool.labeled():
                say(standing(self.work_dir.files, self.settings.cycles))
            on_main(functools.partial(self._check_progress, pool))
            # images that broke since shorten the last batches, they do not stop the run
            self.settings.check_pool(len(pool), len(pool.labeled(0)))
            return pool
        pool = Pool(ids)
        check_test_images(self.cfg)
        self._read_test_labels()
        if len(pool) <= READ_FIRST:
            pool.leave_out(unreadable_images(self.images))
        number = number_of_initial(self.settings)
        self.settings.check_pool(len(pool) - len(pool.left_out()), number)
        if not self._asks_for_initial():
            self._take_initial(pool, self._choose_initial(pool)[0])
        on_main(lambda: self.work_dir.begin(pool))
        return pool

    def _check_data(self) -> None:
        simulated = self.settings.oracle == "simulated"
        check_data(self.cfg, self.images, self.settings.allow_test_in_pool, simulated)

    def _check_progress(self, pool: Pool) -> None:
        """Refuse a state that cannot have been, and to go on with files that changed meanwhile."""
        self.work_dir.check_progress(pool, self.settings.cycles)
        cycles = self.work_dir.files.cycles()
        begun = [number for number, files in cycles.items() if files.labeled_list.exists()]
        last = cycles.get(self.settings.cycles - 1)
        if begun and not (last and last.metrics_file.exists()):
            check_inputs(cycles[begun[-1]], self.images)

    def _read_test_labels(self) -> None:
        """Read them once now: what is wrong with them would show only after the first training."""
        test = test_dataset(self.cfg)
        if test is not None and not self.oracle.unlabeled_test_ids(self.cfg):
            on_main(lambda: check_test_objects(test))

    def _asks_for_initial(self) -> bool:
        """Whether the first images are known, or their labels there, only after some work."""
        human = isinstance(self.oracle, HumanOracle)
        return human or self.settings.initial_strategy is not None

    def _choose_initial(self, pool: Pool) -> tuple[list[str], list[str]]:
        files = self.work_dir.files.initial

        def choose() -> tuple[list[str], list[str]]:
            return choose_initial(self.cfg, self.settings, pool, self.seed, files)

        if len(pool) <= READ_FIRST or self.settings.initial_strategy is not None:
            return choose()
        find = functools.partial(unreadable_images, self.images)
        return choose_readable(pool, lambda: choose()[0], find), []

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
        files = self.work_dir.files.initial
        if not from_main(files.picks_list.exists):
            ids, unreadable = self._choose_initial(self.pool)
            self.pool.leave_out(unreadable)
            self._save_pool()

            def write_picks() -> None:
                files.folder.mkdir(parents=True, exist_ok=True)
                write_ids(files.picks_list, ids + self.oracle.unlabeled_test_ids(self.cfg))

            on_main(write_picks)
        batch = Batch(files, files.picks())
        labeled = self.oracle.label(batch)
        if labeled is None:
            return False
        self._take_initial(self.pool, [name for name in labeled if name in self.pool])
        self._save_pool()
        return True

    def _build_oracle(self) -> Oracle:
        dataset = pool_config(self.cfg)
        if self.settings.oracle == "simulated":
            return SimulatedOracle(dataset)
        if self._method.reads_labels:
            raise ADSError(
                "method.positive_filter='oracle' reads labels of the pool, which nobody has given "
                "(active_learning.oracle='human'); use 'predicted' or 'none'."
            )
        return HumanOracle(dataset, self.work_dir.path, self._commands)

    def _save_pool(self) -> None:
        on_main(lambda: self.work_dir.save(self.pool))
