"""Cycles until the budget is spent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import barrier, broadcast_object_list, is_main_process

from ads_det.active.cycle import Cycle
from ads_det.active.oracle import SimulatedOracle
from ads_det.active.pool import Pool
from ads_det.active.settings import Settings, prepare_data
from ads_det.active.strategies import ADSEntropy, Strategy
from ads_det.console import say
from ads_det.data.pool_dataset import MAX_NAMED, and_more
from ads_det.engine.checkpoints import check_pretrained
from ads_det.engine.seeding import derive_seed
from ads_det.engine.training import candidate_dataset, check_training, test_dataset
from ads_det.errors import ADSError
from ads_det.files import read_ids, write_atomic, write_text
from ads_det.lock import lock_folder
from ads_det.report.gallery import plot_picks
from ads_det.report.history import History

COPIED = "copied_from.txt"  # in a cycle's folder that a comparison took from another run

# what may differ when a run goes on: none of it changes what the run computes
_FREE_KEYS = frozenset({"work_dir", "launcher", "resume", "log_level", "filename"})
_FREE_ENTRIES = {"active_learning": {"cycles", "metric"}, "randomness": {"seed"}}


class ActiveLearningLoop:
    """Active learning on a simulated pool: a fully labelled data set whose labels are bought.

    Args:
        cfg: a config with an ``active_learning`` block.
        work_dir: where everything is written.
        resume: go on with the run in ``work_dir``, if there is one.

    Raises:
        ADSError: if the config has a mistake, ``work_dir`` holds a run and ``resume`` is
            False, or that run had another configuration.
    """

    def __init__(self, cfg: Config, work_dir: str | Path, resume: bool = False) -> None:
        self.cfg = cfg
        self.settings = Settings.from_config(cfg)
        check_training(cfg)
        check_strategy(self.settings.build_strategy(), cfg.model)
        self.seed = int(cfg.get("randomness", {}).get("seed") or 0)
        self.work_dir = Path(work_dir)
        self.state = self.work_dir / "pool.json"
        if self.state.exists() and not resume:
            raise ADSError(
                f"{self.work_dir} already holds a run; add --resume to continue it, or choose "
                "another --work-dir."
            )
        self.history = History(self.work_dir, self.settings.metric)
        check_pretrained(self.cfg)  # before anything is written that names them
        self.pool = self._open_pool()

    def run(self) -> History:
        """Run all cycles that are not finished yet; returns the history of all."""
        for number in range(self.settings.cycles):
            is_last = number == self.settings.cycles - 1
            folder = self.work_dir / f"cycle_{number:02d}"
            say(
                f"\nCycle {number + 1} of {self.settings.cycles}: "
                f"{len(self.pool.labeled(number))} of {len(self.pool)} images labelled"
            )
            cycle = Cycle(self.cfg, self.settings, self.pool, number, folder, self.seed)
            result = cycle.run(select=not is_last)
            if not is_last and not self._is_committed(number):
                self.pool.label(cycle.picks, number + 1)
                self.pool.leave_out(cycle.unreadable)
                self._save_pool()
            self.history.add(result, cycle.seconds)
            if is_main_process():
                self.history.write()
                if not is_last:
                    self._draw_picks(cycle)
            say(self.history.table())
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
        _check_num_classes(self.cfg.model, classes)
        facts = dict(seed=self.seed, config=fingerprint(self.cfg))
        existed = [self.state.exists()]
        broadcast_object_list(existed, src=0)  # one process decides; the others may see less
        if existed[0]:
            if is_main_process():
                self._lock = lock_folder(self.work_dir)
            return self._reopen(ids, facts)
        pool = Pool(ids)
        pool.leave_out(self._unreadable())
        initial = self._initial_ids(pool)
        self.settings.check_pool(len(pool) - len(pool.left_out()), len(initial))
        pool.label(initial, 0)
        self._check_objects(initial)
        if is_main_process():
            self._begin(pool, facts)
        barrier()
        return pool

    def _check_objects(self, initial: list[str]) -> None:
        """Refuse to begin with nothing to learn from.

        Raises:
            ADSError: if no initial image has an object of the configured classes.
        """
        oracle = SimulatedOracle(self.cfg.train_dataloader.dataset)
        if not any(oracle.count_objects(initial).values()):
            raise ADSError(
                f"None of the {len(initial)} initial images has an object of one of the configured "
                "classes; correct `metainfo.classes`, or raise active_learning.initial."
            )

    def _begin(self, pool: Pool, facts: dict[str, Any]) -> None:
        """Make the work directory and write the first state."""
        try:
            self.work_dir.mkdir(parents=True, exist_ok=True)
            self._lock = lock_folder(self.work_dir)
            if self.state.exists():
                raise ADSError(f"{self.work_dir} was taken by another run; choose another.")
            strange = [p for p in self.work_dir.glob("cycle_*") if not (p / COPIED).exists()]
            if strange:
                raise ADSError(
                    f"{self.work_dir} holds {strange[0].name} but no pool.json; restore pool.json, "
                    "delete the folder, or choose another --work-dir."
                )
            write_text(self.work_dir / "config.py", self.cfg.pretty_text)
        except OSError as error:
            raise ADSError(
                f"The work directory {self.work_dir} cannot be made ({error.strerror}); make it "
                "writable or choose another --work-dir."
            ) from error
        pool.save(self.state, facts)

    def _unreadable(self) -> list[str]:
        """Images of the pool to leave out, looked for by the main process.

        Raises:
            ADSError: if a test image cannot be read: every cycle needs it.
        """
        found: list[Any] = [{}]
        if is_main_process():
            test = test_dataset(self.cfg)
            for name, why in test.unreadable_images().items() if test else ():
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

    def _reopen(self, ids: list[str], facts: dict[str, Any]) -> Pool:
        pool, stored = Pool.load(self.state)
        theirs, ours = stored.get("config", {}), facts["config"]
        changed = sorted(k for k in theirs.keys() | ours.keys() if theirs.get(k) != ours.get(k))
        if stored.get("seed") != self.seed:
            changed.append("the seed")
        if changed:
            raise ADSError(
                f"The run in {self.work_dir} was started with other settings (they differ in "
                f"{', '.join(changed)}); use those of {self.work_dir / 'config.py'} or another "
                "--work-dir."
            )
        if set(pool.ids) != set(ids):
            odd = sorted(set(pool.ids) ^ set(ids))
            raise ADSError(
                f"The data set is no longer the one of the run in {self.work_dir} ({odd[0]!r} "
                f"and {len(odd) - 1} more images came or went); restore it or use another "
                "--work-dir."
            )
        # images that broke since shorten the last purchases, they do not stop the run
        self.settings.check_pool(len(pool), len(pool.labeled(0)))
        return pool

    def _save_pool(self) -> None:
        if is_main_process():
            self.pool.save(self.state, dict(seed=self.seed, config=fingerprint(self.cfg)))
        barrier()

    def _initial_ids(self, pool: Pool) -> list[str]:
        initial = self.settings.initial
        if isinstance(initial, str):
            return read_ids(initial)
        self.settings.check_pool(len(pool.unlabeled()), initial)
        generator = np.random.default_rng(derive_seed(self.seed, "initial"))
        drawn = [pool.ids[i] for i in generator.choice(len(pool), initial, replace=False)]
        left_out = set(pool.left_out())
        if not left_out.isdisjoint(drawn):  # one that cannot be read changes no other
            drawn += [pool.ids[i] for i in generator.permutation(len(pool))]
        return [name for name in dict.fromkeys(drawn) if name not in left_out][:initial]


def _check_num_classes(node: Any, classes: Sequence[str]) -> None:
    """Every ``num_classes`` in a model's config must be that of the data set.

    Raises:
        ADSError: if one is not; one class too many would silently train as background.
    """
    for key, value in node.items() if isinstance(node, dict) else ():
        if key == "num_classes" and classes and value != len(classes):
            raise ADSError(
                f"The model has num_classes={value}, but `metainfo.classes` names {len(classes)} "
                f"{tuple(classes)[:5]}; make them agree."
            )
        _check_num_classes(value, classes)


def check_strategy(strategy: Strategy, model: dict) -> None:
    """Refuse a strategy that wants two classifiers where there is one.

    Raises:
        ADSError: before a whole training shows it.
    """
    head = model.get("bbox_head") or model
    if isinstance(strategy, ADSEntropy) and head.get("num_classifiers", 2) == 1:
        raise ADSError(
            "ADSEntropy needs two classifiers, but the model has one; use ads_det.Entropy, or "
            "num_classifiers=2."
        )


def fingerprint(cfg: Config) -> dict[str, str]:
    """A short hash of each top-level key that matters, so that a difference can be named.

    Left out are the number of cycles, since a finished run may be given more; the metric of the
    table, which changes no result; and the seed, which is compared by itself.
    """
    fingerprint = {}
    for key, value in cfg.to_dict().items():
        if key in _FREE_KEYS:
            continue
        if key in _FREE_ENTRIES:
            value = {k: v for k, v in (value or {}).items() if k not in _FREE_ENTRIES[key]}
        text = json.dumps(value, sort_keys=True, default=repr)
        fingerprint[key] = hashlib.sha256(text.encode()).hexdigest()[:12]
    return fingerprint
