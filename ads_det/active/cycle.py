"""One cycle: train, evaluate, fit, select; each stage ends with a file."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.runner import Runner
from torch import nn

from ads_det.active.fit_stage import FitStage
from ads_det.active.fitting import fit_strategy, load_fitted
from ads_det.active.oracle import Batch, Oracle
from ads_det.active.outlook import has_fixed_epochs, outlook
from ads_det.active.pool import Pool
from ads_det.active.proposals import choose_threshold, propose_boxes
from ads_det.active.scoring import ensemble_of
from ads_det.active.selection import read_selection, select_images
from ads_det.active.settings import Settings
from ads_det.active.strategies import Strategy
from ads_det.console import say
from ads_det.distributed import from_main
from ads_det.engine.datasets import candidate_loader, pool_config
from ads_det.engine.methods import Method, build_method
from ads_det.engine.phases import unwrap
from ads_det.engine.seeding import derive_seed
from ads_det.engine.training import (
    delete_checkpoints,
    evaluation_runner,
    train_model,
    training_config,
)
from ads_det.errors import ADSError
from ads_det.files import read_ids, write_ids, write_json
from ads_det.labels.boxes import ImageLabels
from ads_det.results import CycleResult
from ads_det.work_files import RunFiles


class Cycle:
    """The stages of one cycle, each skipped when its file already exists.

    ``labeled.txt`` and ``unlabeled.txt`` (what the cycle may see), ``model.pth`` (trained; one in
    each ``member_J/`` where the method trains several), ``metrics.json`` (evaluated),
    ``sampler.pth`` (what a strategy learnt), ``scores.csv`` (the best candidates, in a large pool
    all of them in ``scores.npz``) and ``picks.txt`` (selected).

    Args:
        cfg: the run's config.
        settings: its active-learning block.
        pool: as it stands when the cycle begins.
        oracle: knows the labels.
        number: cycle number, from 0.
        run: files of the run.
        seed: run seed.
    """

    def __init__(
        self,
        cfg: Config,
        settings: Settings,
        pool: Pool,
        oracle: Oracle,
        number: int,
        run: RunFiles,
        seed: int,
    ) -> None:
        self.cfg, self.settings, self.pool, self.oracle = cfg, settings, pool, oracle
        self.number, self.seed = number, seed
        self.method: Method = build_method(cfg)
        self.files, self._previous = run.cycle(number), run.cycle(number - 1)
        fixed, labeled = has_fixed_epochs(cfg), len(pool.labeled(number))
        self._outlook = outlook(settings, run, number, labeled, fixed, self.method.members)
        self._runners: dict[int, Runner] = {}  # by member
        self._selected: tuple[list[str], dict[str, float]] | None = None

    def run(self, select: bool) -> CycleResult:
        """Bring the cycle to its end.

        Args:
            select: whether another cycle follows.

        Returns:
            The content of ``metrics.json``.
        """
        files = self.files
        if is_main_process():
            files.folder.mkdir(parents=True, exist_ok=True)
            self._check_lists()
        self._stage("lists", files.candidates_list, self._write_lists)
        models = files.models(self.method.members)
        self._stage("train", models, lambda: self._train(models))
        if is_main_process():
            for model in models:
                delete_checkpoints(model.parent / "train")
        self._stage("evaluate", files.metrics_file, self._evaluate)
        if select:
            strategy = self.settings.build_strategy()
            if strategy.fits:
                self._stage("fit", files.fitted, lambda: self._fit(strategy))
            self._stage("select", files.picks_list, lambda: self._select(strategy))
        self._runners.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return files.result()

    def selected(self) -> tuple[list[str], dict[str, float]]:
        """The ids that the finished selection chose, best first, and their scores, read from disk
        once; see :func:`~ads_det.active.selection.read_selection`."""
        self._selected = self._selected or read_selection(self.files, self._budget())
        return self._selected

    def batch(self) -> Batch:
        """What the finished selection asks to be labelled."""
        return Batch(self.files, *self.selected(), self._propose)

    def _stage(self, name: str, result: Path | list[Path], work: Callable[[], None]) -> None:
        """Do ``work``, which must end by writing ``result``, unless it was done before."""
        results = result if isinstance(result, list) else [result]
        if from_main(lambda: all(path.exists() for path in results)):
            return
        start = time.perf_counter()
        work()
        if is_main_process():
            seconds = self.files.seconds() | {name: round(time.perf_counter() - start, 2)}
            write_json(self.files.seconds_file, seconds)
        barrier()  # no process reads the file before the main one has written it

    def _check_lists(self) -> None:
        """Refuse files of another run: a stage whose file exists would count as done.

        Raises:
            ADSError: if the images are not those that pool.json and the seed say.
        """
        labeled = self.pool.labeled(self.number)
        checked = {self.files.labeled_list: lambda: labeled}
        # of what was chosen before nothing depends any more; images left out since were drawn then
        if len(labeled) == len(self.pool.labeled()) and not self.pool.left_out():
            checked[self.files.candidates_list] = self._candidates
        for path, ids in checked.items():
            if path.exists() and read_ids(path) != ids():
                raise ADSError(
                    f"{path} is not what pool.json says of this cycle; delete the folder "
                    f"{self.files.folder} to do the cycle anew, or use another --work-dir."
                )

    # -- stages -----------------------------------------------------------------------------

    def _candidates(self) -> list[str]:
        """The unlabelled images that the cycle looks at."""
        unlabeled = self.pool.unlabeled(self.number)
        if self.settings.subset is None or self.settings.subset >= len(unlabeled):
            return unlabeled
        generator = np.random.default_rng(derive_seed(self.seed, self.number, "subset"))
        chosen = generator.choice(len(unlabeled), self.settings.subset, replace=False)
        return [unlabeled[i] for i in sorted(chosen)]

    def _write_lists(self) -> None:
        if is_main_process():
            unlabeled = self._candidates()
            write_ids(self.files.labeled_list, self.pool.labeled(self.number))
            if self.method.reads_labels:
                self._write_positive(unlabeled)
            write_ids(self.files.candidates_list, unlabeled)

    def _write_positive(self, unlabeled: list[str]) -> None:
        """The ids that the phases may see when the paper's filter is taken literally."""
        objects = self.oracle.count_objects(unlabeled)
        positive = [i for i in unlabeled if objects[i]]
        say(
            f"positive_filter='oracle' READ THE LABELS of {len(unlabeled)} unlabelled images: "
            f"the phases of cycle {self.number} see the {len(positive)} that have an object."
        )
        write_ids(self.files.positive_list, positive)

    def _train(self, models: list[Path]) -> None:
        """Train each member that is not there yet."""
        for member, model in enumerate(models):
            if from_main(model.exists):
                continue
            if len(models) > 1:
                say(f"Member {member + 1} of {len(models)}")
            runner = train_model(self._training_config(member, model), model)
            if len(models) == 1:  # of several the optimisers would stay in memory
                self._runners[member] = runner

    def _evaluate(self) -> None:
        metrics = self._test()
        if f"mean/{self.settings.metric}" not in metrics:
            raise ADSError(
                f"active_learning.metric is {self.settings.metric!r}, but the evaluation gave "
                f"{', '.join(k[5:] for k in metrics if k.startswith('mean/'))}; use one of them."
            )
        if not np.isfinite(float(metrics[f"mean/{self.settings.metric}"])):
            raise ADSError(
                f"{self.settings.metric} is not finite; check that the test set "
                "(test_dataloader.dataset) has objects of the configured classes."
            )
        if is_main_process():
            labeled = self.files.labeled()
            objects = sum(self.oracle.count_objects(labeled).values())
            result = CycleResult(
                cycle=self.number,
                labeled_images=len(labeled),
                labeled_objects=objects,
                filter_read_labels=self.files.positive_list.exists(),
                unreadable_images=self.pool.left_out(),
                metrics={k: float(v) for k, v in metrics.items()},
            )
            write_json(self.files.metrics_file, result.to_dict(seconds=False))

    def _test(self) -> dict[str, float]:
        """Metrics of the model; of several those of all together and of the first alone."""
        runner = self._trained_runner()
        metrics = runner.test()
        if self.method.members == 1:
            return metrics
        alone, first = metrics, runner.model
        runner.model = ensemble_of([unwrap(model) for model in self._trained_models()])
        metrics = runner.test()
        runner.model = first
        return metrics | {f"member_0/{name}": value for name, value in alone.items()}

    def _fit(self, strategy: Strategy) -> None:
        files, seed = self.files, derive_seed(self.seed, self.number, "fit")
        stage = FitStage(
            self.cfg, files.labeled_list, files.candidates_list, seed, self._trained_models
        )
        fit_strategy(strategy, stage, files.fitted)
        self._runners.clear()  # what it did to the models does not reach the scores

    def _select(self, strategy: Strategy) -> None:
        if strategy.fits:
            load_fitted(strategy, self.files.fitted)
        selection = select_images(
            self.cfg,
            self.files.candidates_list,
            self.files.labeled_list,
            strategy,
            self._budget(),
            derive_seed(self.seed, self.number, "select"),
            self._trained_models,
        )
        if is_main_process():
            selection.write(self.files)

    def _propose(self, ids: Sequence[str]) -> tuple[list[ImageLabels], str]:
        """What the cycle's model sees in some images, where that is worth it, and why."""
        fixed = self.settings.proposal_threshold
        threshold, why = choose_threshold(fixed, self.files.result())
        if threshold is None:
            return [], why
        model, loader = self._trained_runner().model, candidate_loader(self.cfg, None)
        classes = pool_config(self.cfg)["metainfo"]["classes"]
        proposals = propose_boxes(model, loader, ids, classes, threshold)
        self._runners.clear()
        return proposals, why

    def _budget(self) -> int:
        """Images to choose: fewer only if unreadable ones leave fewer."""
        if not self.pool.left_out():
            return self.settings.budget
        return min(self.settings.budget, len(read_ids(self.files.candidates_list)))

    # -- Runners ----------------------------------------------------------------------------

    def _trained_runner(self, member: int = 0) -> Runner:
        """The Runner that trained or, after a restart, a new one with the weights it wrote."""
        if member not in self._runners:
            model = self.files.models(self.method.members)[member]
            self._runners[member] = evaluation_runner(self.cfg, model, model.parent / "train")
        return self._runners[member]

    def _trained_models(self) -> list[nn.Module]:
        return [self._trained_runner(j).model for j in range(self.method.members)]

    def _training_config(self, member: int, model: Path) -> Config:
        """Config of one training; that of member 0 is the same whatever their number."""
        files, positive, start_from = self.files, self.files.positive_list, None
        if self.settings.warm_start and self.number > 0:
            start_from = self._previous.models(self.method.members)[member]
        place = (self.number,) if member == 0 else (self.number, f"member {member}")
        return training_config(
            self.cfg,
            work_dir=model.parent / "train",
            labeled=files.labeled_list,
            unlabeled=positive if positive.exists() else files.candidates_list,
            seed=derive_seed(self.seed, *place),
            start_from=start_from,
            outlook=self._outlook,
        )
