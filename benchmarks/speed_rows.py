"""The rows of speed.py: each gives pairs of the project's work and an anchor."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
TOOLS = sorted(path.name for path in (ROOT / "tools").glob("*.py"))
Work = Callable[[], object]
# name, ours, anchor
Pair = tuple[str, Work, Work]


def label_epoch() -> Iterator[Pair]:
    """A label step of SSD300 with two classifiers / of mmdet's own SSD300, four images."""
    import torch
    from mmengine.config import ConfigDict

    from ads_det.registry import MODELS

    cfg = small("ssd300_voc_ads.py", {"model.backbone.init_cfg": None})
    own = cfg.model.to_dict()
    plain = copy.deepcopy(own)
    plain["type"] = "mmdet.SingleStageDetector"
    head = next(x for x in plain.values() if isinstance(x, dict) and "anchor_generator" in x)
    for name in ("activation", "num_classifiers", "prior", "dropout", "diversity"):
        head.pop(name, None)
    head["type"] = "mmdet.SSDHead"
    plain["test_cfg"].pop("per_classifier", None)
    steps = []
    for model in (own, plain):
        built = MODELS.build(ConfigDict(model)).to(memory_format=torch.channels_last).train()
        built.init_weights()
        batch = detection_batch(4, 300)
        steps.append(lambda built=built, batch=batch: step(built, batch))
    yield "label step, SSD300, two classifiers / mmdet's own", steps[0], steps[1]


def small_step() -> Iterator[Pair]:
    """A label step of the small SSD / the bare forward and backward pass of its network."""
    runner, batches = trainer()
    model = runner.model
    inputs = model.data_preprocessor(copy.deepcopy(batches[0]), True)["inputs"]

    def bare() -> None:
        scores, boxes = model.head(model.extract_feat(inputs))
        maps = [level for levels in [*scores, boxes] for level in levels]
        model.zero_grad()
        sum(level.square().mean() for level in maps).backward()

    half, _ = trainer(optim_wrapper="ads_det.Bfloat16OptimWrapper")
    ready = iter([copy.deepcopy(batches[0]) for _ in range(400)])

    def label(by: Any) -> Work:
        return lambda: by.model.train_step(next(ready), by.optim_wrapper)

    yield "label step, small SSD / bare forward and backward", label(runner), bare
    yield "label step, small SSD, bfloat16 / float32", label(half), label(runner)
    loader = runner.train_loop.dataloader
    stream = iter(batch for _ in range(1000) for batch in loader)
    yield "loading and augmenting a batch, small SSD / bare", lambda: next(stream), bare


def ads_epoch() -> Iterator[Pair]:
    """One ADS epoch of a small ResNet / its cost on paper: as many bare passes."""
    import torch

    from ads_det.core.criterion import ADSCriterion
    from ads_det.engine.phases import run_agreement, run_discrepancy

    runner, batches = trainer("resnet8_digits_ads.py")
    model, optim, criterion = runner.model, runner.optim_wrapper, ADSCriterion()
    for group in optim.param_groups:
        group["lr"] = 1e-4  # dozens of phases in a row, without labels between them, would diverge

    def fresh() -> list[dict]:
        return copy.deepcopy(batches[:2])

    def epoch() -> None:
        run_agreement(model, optim, fresh(), criterion)
        run_discrepancy(model, optim, fresh(), iter(fresh()), criterion)

    inputs = model.data_preprocessor(fresh()[0], True)["inputs"]

    def paper() -> None:
        for _ in fresh():
            model.zero_grad()  # agreement: g forward and backward
            sum(p.square().mean() for p in model(inputs, None, "tensor")).backward()
            with torch.no_grad():  # discrepancy: g forward twice, without gradient
                model(inputs, None, "tensor")
                model(inputs, None, "tensor")

    yield "agreement and discrepancy, ResNet-8 / bare passes", epoch, paper


def score() -> Iterator[Pair]:
    """Scoring / the bare forward pass, with loading and of batches in memory."""
    import torch

    from ads_det.active import scoring
    from ads_det.core.outputs import MEMBERS
    from ads_det.engine.datasets import candidate_loader

    runner, _ = trainer()
    model = runner.model.eval()
    loader_config = candidate_loader(runner.cfg, None)
    strategy = strategy_of(runner.cfg)
    *names, loader = scoring.build_shard(loader_config)

    def measured() -> object:
        needs = frozenset({MEMBERS})
        return scoring.measure_images([model], loader_config, needs, strategy.accumulator)

    @torch.inference_mode()
    def passes(batches: Iterable[Any]) -> None:
        for batch in batches:
            model.head(model.extract_feat(model.data_preprocessor(batch)["inputs"]))

    yield (
        "scoring / loading and the bare forward pass, small SSD",
        measured,
        lambda: passes(loader),
    )
    batches = list(loader)
    scoring.build_shard = lambda dataloader: (*names, batches)
    yield (
        "scoring of images in memory / the bare forward pass, small SSD",
        measured,
        lambda: passes(batches),
    )


def core_set(size: int, budget: int) -> Iterator[Pair]:
    """k-centre greedy of points of 256 dimensions / a naive greedy in NumPy."""
    from ads_det.core.k_center import k_center_greedy

    rng = np.random.default_rng(0)
    points = rng.standard_normal((size, 256), np.float32)
    labeled = rng.standard_normal((100, 256), np.float32)

    def naive() -> list[int]:
        nearest = np.full(len(points), np.inf, np.float32)
        for center in labeled:
            nearest = np.minimum(nearest, np.square(points - center).sum(axis=1))
        chosen = []
        for _ in range(budget):
            best = int(nearest.argmax())
            chosen.append(best)
            nearest = np.minimum(nearest, np.square(points - points[best]).sum(axis=1))
        return chosen

    yield (
        f"core-set, {budget:,} of {size:,} / naive NumPy",
        lambda: k_center_greedy(points, budget, labeled),
        naive,
    )


def loop() -> Iterator[Pair]:
    """The bookkeeping of a cycle (benchmarks/million.py), 100,000 images / 10,000."""
    from million import make_files, run

    folder = Path(tempfile.mkdtemp(dir=os.environ["SPEED_FOLDER"]))

    def cycle(number: int) -> Work:
        images = folder / f"images_{number}"
        make_files(images, number)

        def work() -> None:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                run(images, Path(place, "work"))

        return work

    yield "bookkeeping of a cycle, 100,000 images / 10,000", cycle(100_000), cycle(10_000)


def start() -> Iterator[Pair]:
    """--help of each tool / a Python that does nothing, seconds on the clock."""
    for tool in TOOLS:
        yield (
            f"{tool} --help / python (clock)",
            clock([sys.executable, str(ROOT / "tools" / tool), "--help"]),
            clock([sys.executable, "-c", "pass"]),
        )


def jobs() -> Iterator[Pair]:
    """benchmark.py, two methods with two jobs / with one, seconds on the clock."""

    def compare(number: int) -> Work:
        def work() -> None:
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, str(ROOT / "tools/benchmark.py")]
                command += [str(ROOT / "configs/resnet8_digits_ads.py"), "--seeds", "0"]
                command += ["--methods", "plain+random", "ads+random", "--jobs", str(number)]
                command += ["--work-dir", folder, "--cfg-options", "active_learning.cycles=1"]
                subprocess.run([*command, "train_cfg.max_epochs=20"], check=True, **SILENT)

        return work

    yield "benchmark.py, 2 jobs / 1 (clock)", compare(2), compare(1)


ROWS = {
    "label": label_epoch,
    "ads": ads_epoch,
    "step": small_step,
    "score": score,
    "coreset": partial(core_set, 10_000, 200),
    "coreset-large": partial(core_set, 100_000, 1000),
    "loop": loop,
    "start": start,
    "jobs": jobs,
}
FEW = {"start": 3, "jobs": 1, "coreset-large": 1}  # pairs at most, on the clock
SILENT: dict[str, Any] = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)


def clock(command: list[str]) -> Work:
    return lambda: subprocess.run(command, check=True, **SILENT)


def small(name: str, options: dict[str, Any] | None = None) -> Any:
    from ads_det.active.settings import load_config

    return load_config(ROOT / "configs" / name, options or {})


def trainer(
    name: str = "ssd_digits_ads.py", optim_wrapper: str = "OptimWrapper"
) -> tuple[Any, list[dict]]:
    """The Runner of a config's training on 64 drawn images, and the batches of one epoch."""
    from ads_det.active.settings import prepare_data
    from ads_det.engine.datasets import candidate_dataset
    from ads_det.engine.runner import CycleRunner
    from ads_det.engine.training import training_config
    from ads_det.files import write_ids

    folder = Path(tempfile.mkdtemp(dir=os.environ["SPEED_FOLDER"]))
    options: dict[str, Any] = {"optim_wrapper.type": optim_wrapper}
    if name == "ssd_digits_ads.py":
        root = str(folder / "digits")
        options |= {"pool.data_root": root, "test_dataloader.dataset.data_root": root}
        options |= {"active_learning.prepare.root": root, "active_learning.prepare.pool": 128}
        options |= {"active_learning.prepare.test": 8}
    cfg = small(name, options)
    prepare_data(cfg)
    write_ids(folder / "labeled.txt", candidate_dataset(cfg).image_ids()[:64])
    plain = dict(type="ads_det.Plain")
    cfg.method = plain
    training = training_config(cfg, folder / "train", folder / "labeled.txt", None, 0)
    runner = CycleRunner.from_cfg(training)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.model.init_weights()
    runner.model.train()
    return runner, list(runner.train_loop.dataloader)


def strategy_of(cfg: Any) -> Any:
    from ads_det.active.settings import Settings

    return Settings.from_config(cfg).build_strategy()


def detection_batch(number: int, size: int) -> dict:
    """Noise with three boxes each, as a loader gives it."""
    import torch
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    samples = []
    for _ in range(number):
        corner = torch.rand(3, 2) * size / 2
        boxes = torch.cat([corner, corner + size / 3], dim=1)
        instances = InstanceData(bboxes=boxes, labels=torch.arange(3))
        meta = dict.fromkeys(("img_shape", "ori_shape", "pad_shape"), (size, size))
        meta |= dict(batch_input_shape=(size, size), scale_factor=(1.0, 1.0))
        sample = DetDataSample(metainfo=meta)
        sample.gt_instances = instances
        samples.append(sample)
    return dict(inputs=torch.randn(number, 3, size, size), data_samples=samples)


def step(model: Any, batch: dict) -> None:
    losses = model(batch["inputs"], batch["data_samples"], "loss")
    model.zero_grad()
    total, _ = model.parse_losses(losses)
    total.backward()
