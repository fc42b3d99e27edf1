"""What a run of a config is to cost, as a table: updates and floating-point operations.

Updates follow from the config; the operations of a forward pass are counted on the model that it
builds, for one image of its size. A label or agreement step counts as three forward passes, a
discrepancy step as two (unlabelled and labelled images, without gradient for the features), scoring
as one for each candidate. Hours are an estimate for a card that sustains --tflops, with at least
--least seconds a batch, which small images need for launches and loading. No data is read.

    python benchmarks/updates.py configs/ssd300_voc_ads.py:16551 \\
        configs/resnet18_cifar10_ads.py:50000 configs/resnet18_cifar100_ads.py:50000
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import ConfigDict
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from ads_det.active.settings import load_config
from ads_det.registry import METHODS, MODELS

SIZES = {"ssd300": (300, 300), "resnet18_cifar": (32, 32), "retinanet": (800, 1216)}


class Work(NamedTuple):
    """What a part of a cycle does.

    Args:
        steps: optimiser steps, or batches to score.
        passes: forward passes of an image, a backward pass counting as two.
    """

    steps: int
    passes: int


def cycle_work(cfg: Any, images: int, labeled: int) -> list[Work]:
    """Label training, agreement, discrepancy and scoring of the cycle that trains on ``labeled`` of
    ``images`` images."""
    batch, epochs = cfg.train_dataloader.batch_size, cfg.train_cfg.max_epochs
    method = METHODS.build(ConfigDict(cfg.method).copy())
    due = sum(method.is_due(epoch) for epoch in range(epochs))
    share = method.images_per_epoch
    candidates = min(images - labeled, cfg.active_learning.get("subset") or images)
    seen = candidates
    if share is not None:
        wanted = max(round(share * labeled), 1) if isinstance(share, float) else share
        seen = min(candidates, wanted)
    steps = due * math.ceil(seen / cfg.unlabeled_dataloader.batch_size)
    scored = math.ceil(candidates / cfg.candidate_dataloader.batch_size)
    return [
        Work(epochs * math.ceil(labeled / batch), 3 * epochs * labeled),
        Work(steps, 3 * due * seen),
        Work(steps, 2 * due * seen),
        Work(scored, candidates),
    ]


def forward_flop(cfg: Any, size: tuple[int, int]) -> int:
    """Floating-point operations of a forward pass of one image, features and classifiers."""
    model = cfg.model.to_dict()
    model["backbone"]["init_cfg"] = None
    built = MODELS.build(ConfigDict(model)).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        features = built.extract_feat(torch.zeros(1, 3, *size))
        built.head(features) if hasattr(built, "head") else built.probabilities(features)
    return counter.get_total_flops()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="+", help="CONFIG:IMAGES, the images of its pool")
    parser.add_argument("--tflops", type=float, default=100.0, help="(default: 100)")
    parser.add_argument("--least", type=float, default=0.03, help="seconds (default: 0.03)")
    args = parser.parse_args()
    table = Table("config", "GFLOP a pass", "cycle", "label", "agreement", "discrepancy", "hours")
    for given in args.configs:
        path, _, number = given.rpartition(":")
        cfg, images = load_config(path), int(number)
        name = Path(path).stem
        size = next((s for key, s in SIZES.items() if name.startswith(key)), None)
        if size is None:
            parser.error(f"{path}: the size of its images is not known; add it to SIZES")
        flop = forward_flop(cfg, size)
        settings, total = cfg.active_learning, 0.0
        for cycle in range(settings.cycles):
            work = cycle_work(cfg, images, settings.initial + cycle * settings.budget)
            rate = flop / args.tflops / 1e12
            seconds = sum(max(part.passes * rate, part.steps * args.least) for part in work)
            total += seconds / 3600
            if cycle in (0, settings.cycles - 1):
                counts = [f"{part.steps:,}" for part in work[:3]]
                hours = f"{seconds / 3600:.2f}"
                table.add_row(name, f"{flop / 1e9:.1f}", str(cycle), *counts, hours)
        table.add_row(name, "", "all", "", "", "", f"{total:.1f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
