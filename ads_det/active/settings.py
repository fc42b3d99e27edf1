"""The ``active_learning`` block of a config, checked before anything runs."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Set
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope

from ads_det.active.strategies import Strategy
from ads_det.engine.build import build_from, find_function
from ads_det.engine.config_keys import check_keys
from ads_det.engine.options import merge_options, refuse_old_keys
from ads_det.engine.ranges import check_ranges
from ads_det.engine.stored_config import decode, import_modules, refuse_yaml_tags
from ads_det.errors import ADSError
from ads_det.files import parse_json, read_bytes
from ads_det.registry import STRATEGIES

ORACLES = ("simulated", "human")


@dataclass(frozen=True)
class Settings:
    """How many images, when, chosen by whom.

    Args:
        initial: size of the random initial set, or the path of an id list.
        budget: images labelled between two cycles.
        cycles: number of trainings; ``cycles - 1`` selections lie between them.
        strategy: config of a strategy, such as ``dict(type='ads_det.Entropy', topk=1000)``, or
            only its name, such as ``'ads_det.Random'``.
        metric: key of the evaluation shown in the table, such as ``'pascal_voc/mAP'``.
        subset: if given, each cycle draws so many unlabelled images at random; only they are
            candidates and seen by the phases.
        prepare: config of a function that puts the data in place before the first cycle.
        warm_start: begin each cycle with the weights of the one before; else with the model's
            initial ones, as the paper does.
        initial_strategy: chooses the first ``initial`` images instead of chance, such as
            ``'ads_det.CoreSet'``; it sees the untrained (or pretrained) model.
        oracle: ``'simulated'``: the data set knows all labels; ``'human'``: the loop hands out
            each batch in ``to_label/`` and ends; it goes on after ads-det import.
        proposal_threshold: least score of a box that ``to_label/`` proposes; None for the one from
            which on boxes are right more often than wrong on the test images, if there is one.
        min_gain: gain of the metric; the advice after a cycle is to stop when the next budget is
            expected to bring less.
        allow_test_in_pool: accept test images that are also in the pool.

    Raises:
        ADSError: if a value has no meaning.
    """

    initial: int | str
    budget: int
    cycles: int
    strategy: dict | str
    metric: str
    subset: int | None = None
    prepare: dict | None = None
    warm_start: bool = False
    initial_strategy: dict | str | None = None
    oracle: str = "simulated"
    proposal_threshold: float | None = None
    min_gain: float = 0.005
    allow_test_in_pool: bool = False

    def __post_init__(self) -> None:
        for name in ("warm_start", "allow_test_in_pool"):
            if not isinstance(getattr(self, name), bool):
                value = getattr(self, name)
                raise ADSError(f"active_learning.{name} is {value!r}; use True or False.")
        if self.oracle not in ORACLES:
            raise ADSError(
                f"active_learning.oracle is {self.oracle!r}; use one of {', '.join(ORACLES)}."
            )
        if not isinstance(self.metric, str) or not self.metric:
            raise ADSError(
                f"active_learning.metric is {self.metric!r}; use the name of a metric, such as "
                "'pascal_voc/mAP'."
            )
        if self.prepare is not None and not isinstance(self.prepare, dict):
            raise ADSError(
                f"active_learning.prepare is {self.prepare!r}; use a dict of type and arguments, "
                "or None."
            )
        for name in ("proposal_threshold", "min_gain"):
            value = getattr(self, name)
            if name == "proposal_threshold" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
                raise ADSError(
                    f"active_learning.{name} is {value!r}; use a number from 0 to below 1."
                )
        for name in ("initial", "budget", "cycles", "subset"):
            value = getattr(self, name)
            if name == "initial" and isinstance(value, str):
                continue
            if name == "subset" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ADSError(
                    f"active_learning.{name} is {value!r}; use a whole number of 1 or more."
                )

        if self.subset is not None and self.cycles > 1 and self.subset < self.budget:
            raise ADSError(
                f"active_learning.subset is {self.subset}, but each cycle picks {self.budget} of "
                "its images; raise subset or lower budget."
            )

    @classmethod
    def from_config(cls, cfg: Config) -> Settings:
        """Read and check ``cfg.active_learning``.

        Raises:
            ADSError: if the block or a key is missing, unknown or without meaning.
        """
        block = cfg.get("active_learning")
        if not isinstance(block, dict):
            raise ADSError(
                f"{cfg.filename or 'The config'} has no `active_learning` block; inherit from a "
                "config that has one, such as configs/ssd_digits_ads.py."
            )
        known = {f.name for f in fields(cls)}
        unknown = sorted(block.keys() - known)
        if unknown:
            raise ADSError(
                f"active_learning has no {unknown[0]!r}; its keys are {', '.join(sorted(known))}."
            )
        missing = sorted({"initial", "budget", "cycles", "strategy", "metric"} - block.keys())
        if missing:
            raise ADSError(f"active_learning.{missing[0]} is missing; add it to the config.")
        settings = cls(**block)
        settings.build_strategy()
        if settings.initial_strategy is not None:
            settings.build_strategy("initial_strategy")
            if isinstance(settings.initial, str):
                raise ADSError(
                    "active_learning.initial_strategy would choose the first images, but "
                    f"active_learning.initial lists them ({settings.initial}); give their number, "
                    "or leave initial_strategy out."
                )
        return settings

    def build_strategy(self, key: str = "strategy") -> Strategy:
        """The object of ``strategy`` or ``initial_strategy``.

        Raises:
            ADSError: if it is unknown or an argument has no meaning.
        """
        strategy: Strategy = build_from(STRATEGIES, getattr(self, key), f"active_learning.{key}")
        if not isinstance(strategy.needs, Set):
            raise ADSError(
                f"active_learning.{key}: {type(strategy).__name__}.needs is {strategy.needs!r}; "
                "use frozenset({'NAME'})."
            )
        return strategy

    def check_pool(self, size: int, initial: int) -> None:
        """Refuse a budget that the pool cannot pay.

        Raises:
            ADSError: with the numbers.
        """
        needed = initial + (self.cycles - 1) * self.budget
        if needed > size:
            raise ADSError(
                f"{self.cycles} cycles need {needed} images ({initial} + {self.cycles - 1} x "
                f"{self.budget}) but the pool has {size}; lower active_learning.cycles, initial "
                "or budget."
            )


def load_config(path: str | Path, options: dict[str, Any] | None = None) -> Config:
    """A config file with command-line options merged in and the default scope set.

    A ``.py`` file is a program and is executed; JSON and YAML are read as data.

    Raises:
        ADSError: if the file is missing or broken, or a key is misspelt or of the wrong kind.
    """
    if not Path(path).is_file():
        raise ADSError(f"The config {path} does not exist; configs/ holds the ready ones.")
    refuse_yaml_tags()
    try:
        if str(path).endswith(".json"):  # mmengine would take the last of two equal keys
            parse_json(read_bytes(path).decode("utf-8"))
        cfg = Config.fromfile(path)
        if str(path).endswith(".json"):
            cfg = decode(cfg)
    except (Exception, SystemExit) as error:  # a config is Python: anything may go wrong in it
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ADSError(f"The config {path} cannot be read: {reason[:300]}") from error
    refuse_old_keys(cfg)
    if options:
        merge_options(cfg, options)
    check_keys(cfg)
    check_ranges(cfg.to_dict())
    import_modules(cfg, path)
    use_default_scope(cfg)
    return cfg


def use_default_scope(cfg: Config) -> None:
    """Let types without prefix resolve as they will inside the Runner.

    Raises:
        ADSError: if ``default_scope`` is no package.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # it prints about optional packages
        importlib.import_module("mmdet.datasets")  # our data sets need it, whatever the scope
    scope = cfg.get("default_scope", "mmdet") or "mmengine"
    try:
        importlib.import_module(f"{scope}.registry")
    except ImportError as error:
        raise ADSError(
            f"default_scope is {scope!r}, which is no package of registries; use 'mmdet' or "
            "'mmengine'."
        ) from error
    init_default_scope(scope)


def run_seed(cfg: Config) -> int:
    """``randomness.seed``, 0 unless given.

    Raises:
        ADSError: if it is no whole number from 0 to below 2**32.
    """
    seed = (cfg.get("randomness") or {}).get("seed")
    if seed is None:
        return 0
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise ADSError(f"randomness.seed is {seed!r}; use a whole number from 0 to 2**32 - 1.")
    return seed


def prepare_data(cfg: Config) -> None:
    """Run ``active_learning.prepare``, if the config has one (the embedded data set).

    Raises:
        ADSError: if the folder holds something else.
    """
    prepare = dict(cfg.get("active_learning", {}).get("prepare") or {})
    if prepare:
        function = find_function(prepare.pop("type", None), "active_learning.prepare")
        try:
            function(**prepare)
        except (TypeError, ValueError) as error:
            raise ADSError(f"active_learning.prepare: {error}") from error
