"""What a method costs, counted while it works: images through features and classifiers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from ads_det.active.fit_stage import FitStage
from ads_det.active.fitting import fit_strategy, load_fitted
from ads_det.active.scoring import measure_images
from ads_det.active.settings import Settings
from ads_det.active.strategies import Strategy
from ads_det.benchmark.pass_counters import (
    COUNTERS,
    NetworkCost,
    NetworkCounter,
    PassCounter,
    forwards,
    network_costs,
)
from ads_det.engine.datasets import candidate_loader
from ads_det.engine.methods import build_method
from ads_det.engine.phases import unwrap
from ads_det.engine.runner import CycleRunner
from ads_det.engine.training import training_config
from ads_det.files import read_ids


@dataclass(frozen=True)
class Cost:
    """Of one training and one selection.

    Args:
        parameters: Parameters of all models that the method trains and of the networks that its
            strategy fits.
        updates: label updates of one training, the Runner's iterations.
        training: images through the features, by :data:`COUNTERS`, for each labelled image of
            these updates; over all members.
        features: passes through the features for each candidate, those of the fit stage included.
        classifiers: passes through a classifier for each candidate, likewise.
        networks: Costs of the networks that its strategy fits, by name of their class.
    """

    parameters: int
    updates: int
    training: dict[str, float]
    features: float
    classifiers: float
    networks: dict[str, NetworkCost]


def measure_cost(cfg: Config, folder: Path, labeled: Path, unlabeled: Path, seed: int = 0) -> Cost:
    """Train all members of a method, fit its strategy, measure the candidates, and count.

    Args:
        cfg: config of one method; its length of training is what is run.
        folder: Folder to work in.
        labeled: list of ids to train on.
        unlabeled: list of ids that are seen without labels, and measured.
        seed: training seed.
    """
    method = build_method(cfg)
    models, trained, images, updates = [], dict.fromkeys(COUNTERS, 0), 0, 0
    for member in range(method.members):
        config = training_config(
            cfg, folder / f"member_{member}", labeled, unlabeled, seed + member
        )
        runner = CycleRunner.from_cfg(config)
        model = unwrap(runner.model)
        seen = _Images()
        runner.register_hook(seen)
        counter = PassCounter(model.backbone)
        runner.train()
        trained = {name: trained[name] + n for name, n in counter.take().items()}
        images += seen.count
        updates = runner.iter
        models.append(model.eval())
    strategy = Settings.from_config(cfg).build_strategy()
    candidates = len(read_ids(unlabeled))
    features = [PassCounter(model.backbone) for model in models]
    heads = [PassCounter(_first_layer(model)) for model in models]
    fit, scoring = NetworkCounter(models), NetworkCounter(models)
    if strategy.fits:
        stage = FitStage(cfg, labeled, unlabeled, seed, lambda: models)
        with fit:
            fit_strategy(strategy, stage, folder / "sampler.pth")
        load_fitted(strategy, folder / "sampler.pth")
    if strategy.needs:
        seeds: Sequence[int | None] = (
            (None,) if strategy.passes == 1 else range(seed, seed + strategy.passes)
        )
        with scoring:
            measure_images(
                models,
                candidate_loader(cfg, unlabeled),
                strategy.needs,
                _measured(strategy),
                seeds,
                strategy.min_members,
            )
    fitted = getattr(strategy, "iterations", 1) * getattr(strategy, "batch_size", 1)
    networks = network_costs(fit, scoring, fitted, candidates)
    return Cost(
        sum(p.numel() for model in models for p in model.parameters())
        + sum(cost.parameters for cost in networks.values()),
        updates,
        {name: n * method.members / images for name, n in trained.items()},
        forwards(features) / candidates,
        forwards(heads) / candidates,
        networks,
    )


def _measured(strategy: Strategy) -> Callable[[], Any] | None:
    return strategy.accumulator if strategy.measures else None


def _first_layer(model: Any) -> nn.Module:
    """A layer of f1 that runs once for each pass over it."""
    return next(m for m in model.classifiers()[0].modules() if not list(m.children()))


class _Images(Hook):
    """Counts the images of the Runner's own updates."""

    count = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.count += len(data_batch["inputs"])
