"""Passes and seconds of one ADS epoch of a classifier: agreement, discrepancy, label training.

Counts, for each phase, the images that go forward through the extractor (with and without
gradient) and backward through it, and compares the phase's time with that of loading and
augmenting the same batches without a model. Needs no data: the images are noise.

    python benchmarks/ads_epoch.py                      # ResNet-18, batch 128, 1,000 + 2,000 images
    python benchmarks/ads_epoch.py --width 16 --bfloat16
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table

from ads_det.benchmark.cost import COUNTERS, PassCounter
from ads_det.core.criterion import ADSCriterion
from ads_det.data.classification import ClassificationDataset, Images, whole_batch
from ads_det.engine.methods.equal_steps import run_label_updates
from ads_det.engine.phases import run_agreement, run_discrepancy
from ads_det.registry import DATASETS, MODELS, OPTIM_WRAPPERS


@DATASETS.register_module()
class NoiseDataset(ClassificationDataset):
    """Images of noise with random classes."""

    def __init__(self, images: int, **kwargs) -> None:
        self.images = images
        super().__init__(**kwargs)

    def load(self) -> Images:
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (self.images, 32, 32, 3), np.uint8)
        names = [f"{i:06d}" for i in range(self.images)]
        labels = rng.integers(0, 10, self.images)
        return Images(names, pixels, labels, tuple("0123456789"))


def build_loader(images: int, batch_size: int, annotated: bool) -> torch.utils.data.DataLoader:
    dataset = NoiseDataset(images, load_annotations=annotated)
    sampler = dict(type="DefaultSampler", shuffle=True)
    cfg = dict(dataset=dataset, batch_size=batch_size, num_workers=0, sampler=sampler)
    return Runner.build_dataloader(cfg | dict(collate_fn=whole_batch))


def endless(loader: torch.utils.data.DataLoader) -> Iterator[dict]:
    return itertools.chain.from_iterable(itertools.repeat(loader))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=64, help="channels of the first stage")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--labeled", type=int, default=1000, help="images")
    parser.add_argument("--unlabeled", type=int, default=2000, help="images")
    parser.add_argument("--bfloat16", action="store_true", help="mixed precision")
    args = parser.parse_args()

    init_default_scope("mmengine")
    torch.manual_seed(0)
    model = MODELS.build(
        ConfigDict(
            type="ads_det.ADSClassifier",
            data_preprocessor=dict(
                type="ads_det.BatchAugmentPreprocessor", mean=[127.0] * 3, std=[64.0] * 3
            ),
            backbone=dict(type="ads_det.CIFARResNet", depth=18, width=args.width),
            num_classes=10,
        )
    ).to(memory_format=torch.channels_last)
    wrapper = "ads_det.Bfloat16OptimWrapper" if args.bfloat16 else "OptimWrapper"
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    optim = OPTIM_WRAPPERS.build(dict(type=wrapper, optimizer=optimizer))
    labeled = build_loader(args.labeled, args.batch_size, annotated=True)
    unlabeled = build_loader(args.unlabeled, args.batch_size, annotated=False)
    criterion = ADSCriterion()

    def prepare(*loaders: Iterator[dict] | torch.utils.data.DataLoader) -> None:
        for batches in zip(*loaders):
            for batch in batches:
                model.data_preprocessor(batch, training=True)

    # for each phase its work, and the same batches without a model
    phases = {
        "label": (
            lambda: run_label_updates(model, optim, endless(labeled), len(labeled)),
            lambda: prepare(labeled),
        ),
        "agreement": (
            lambda: run_agreement(model, optim, unlabeled, criterion),
            lambda: prepare(unlabeled),
        ),
        "discrepancy": (
            lambda: run_discrepancy(model, optim, unlabeled, endless(labeled), criterion),
            lambda: prepare(unlabeled, endless(labeled)),
        ),
    }
    run_label_updates(model, optim, endless(labeled), 1)  # warm-up
    counter = PassCounter(model.backbone)
    table = Table("phase", *COUNTERS, "s", "s loading and augmenting", "share", title="images")
    total = loading = 0.0
    for name, (work, load) in phases.items():
        seconds, alone = timed(work), timed(load)
        total, loading = total + seconds, loading + alone
        counts = [str(n) for n in counter.take().values()]
        table.add_row(name, *counts, f"{seconds:.2f}", f"{alone:.3f}", f"{alone / seconds:.1%}")
    table.add_row("sum", "", "", "", f"{total:.2f}", f"{loading:.3f}", f"{loading / total:.1%}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
