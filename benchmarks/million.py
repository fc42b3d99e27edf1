"""Seconds and memory of a cycle's bookkeeping, from ten thousand images to a million.

Everything of a cycle but loading images, training, evaluating and the forward pass: the state read
and written, lists, ranking, scores written and read. The pool is a folder of real (empty) files;
the loader gives batches without opening them and the model costs nothing.

    python benchmarks/million.py --sizes 10000 100000 1000000
    torchrun --nproc_per_node 2 benchmarks/million.py --sizes 1000000
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import barrier, get_rank, init_dist, is_main_process
from mmengine.structures import BaseDataElement
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from ads_det.active.cycle import Cycle
from ads_det.active.oracle import SimulatedOracle
from ads_det.active.pool import Pool
from ads_det.active.settings import Settings, load_config
from ads_det.active.work_dir import WorkDir
from ads_det.core.outputs import Outputs
from ads_det.data.image_folder import ImageFolderDataset
from ads_det.engine.datasets import candidate_dataset
from ads_det.registry import DATASETS

BUDGET = 1000
CONFIG = Path(__file__).parents[1] / "configs/ssd_digits_ads.py"


@DATASETS.register_module()
class UnopenedImages(ImageFolderDataset):
    """The images of a folder as batches of their positions; no file is opened."""

    def __getitems__(self, indices: list[int]) -> dict:
        return dict(inputs=torch.tensor(indices), data_samples=BaseDataElement())


class FreeModel(nn.Module):
    """Answers each image with two numbers that its position gives."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def data_preprocessor(self, batch: dict, training: bool) -> dict:
        return dict(inputs=batch["inputs"], data_samples=batch["data_samples"])

    def passes(self, inputs: Tensor, data_samples: object, needs: frozenset, seeds: tuple):
        first = (inputs * 0.6180339887).remainder(1)[:, None]
        yield Outputs(members=(torch.cat([first, 1 - first], dim=1),) * 2)


def make_files(root: Path, number: int) -> None:
    for start in range(0, number, 10_000):
        folder = root / f"batch_{start // 10_000:03d}"
        folder.mkdir(parents=True)
        for i in range(start, min(start + 10_000, number)):
            os.close(os.open(folder / f"IMG_{i:07d}.jpg", os.O_CREAT | os.O_WRONLY))


def config(root: Path) -> Config:
    cfg = load_config(CONFIG)
    cfg.pool = dict(
        type="ads_det.UnopenedImages",
        data_root=str(root),
        metainfo=cfg.pool.metainfo,
        serialize_data=False,
    )
    cfg.train_dataloader.dataset = dict()
    cfg.candidate_dataloader = dict(
        batch_size=10_000,
        num_workers=0,
        dataset=dict(),
        collate_fn=dict(type="ads_det.whole_batch"),
    )
    cfg.active_learning.update(initial=BUDGET, budget=BUDGET)
    return cfg


def run(root: Path, work: Path) -> dict[str, tuple[float, float]]:
    """Seconds of each step of a cycle, on the clock and of this process's CPU time."""
    cfg, seconds = config(root), {}
    settings, oracle = Settings.from_config(cfg), SimulatedOracle(dict(cfg.pool))
    work_dir = WorkDir(work, cfg, 0)
    pool = Pool(candidate_dataset(cfg).image_ids())
    pool.label(pool.ids[:BUDGET], 0)
    if is_main_process():
        work_dir.begin(pool)
    barrier()

    def timed(name: str, step):
        start, used = time.perf_counter(), time.process_time()
        found = step()
        seconds[name] = (time.perf_counter() - start, time.process_time() - used)
        return found

    ids = timed("name the images", lambda: candidate_dataset(cfg).image_ids())
    pool = timed("read the state", lambda: work_dir.read_pool(ids))
    cycle = Cycle(cfg, settings, pool, oracle, 0, work_dir.files, 0)
    if is_main_process():
        cycle.files.folder.mkdir()
    barrier()
    timed("write the lists", cycle._write_lists)
    barrier()
    with (
        patch.object(Cycle, "_trained_models", lambda self: [FreeModel()]),
        patch("ads_det.active.scoring.scorable_model", lambda model: model),
    ):
        timed("score and select", lambda: cycle._select(settings.build_strategy()))
    barrier()
    picks, _ = timed("read the selection", cycle.selected)
    timed("label", lambda: pool.label(picks, 1))
    if is_main_process():
        timed("write the state", lambda: work_dir.save(pool))
    return seconds


def measure(number: int, root: Path | None) -> None:
    """One size, in a process of its own, whose peak memory is its own as well."""
    init = os.environ.get("WORLD_SIZE")
    if init:
        init_dist("pytorch", backend="gloo")
    folder = Path(root or tempfile.mkdtemp())
    images, work = folder / f"images_{number}", folder / f"work_{number}"
    if is_main_process():
        make_files(images, number)
    if init:
        barrier()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = run(images, work)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row = dict(images=number, rank=get_rank(), seconds=seconds, added_mb=(peak - before) / 1024)
    if is_main_process():
        print(json.dumps(row), flush=True)
        shutil.rmtree(images)
        shutil.rmtree(work)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--out", type=Path, help="JSON of the rows")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help="an empty folder that all processes see")
    args = parser.parse_args()
    if args.one or os.environ.get("WORLD_SIZE"):
        for number in args.sizes:
            measure(number, args.root)
        return
    rows = []
    for number in args.sizes:
        command = [sys.executable, __file__, "--one", "--sizes", str(number)]
        command += ["--root", str(args.root)] if args.root else []
        found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows.append(json.loads(found.stdout.splitlines()[-1]))
    steps = list(rows[0]["seconds"])
    table = Table("images", *steps, "sum", "added MB", title="seconds on the clock / of the CPU")
    for row in rows:
        each = [row["seconds"][step] for step in steps]
        cells = [f"{clock:.2f} / {used:.2f}" for clock, used in [*each, np.sum(each, axis=0)]]
        table.add_row(f"{row['images']:,}", *cells, f"{row['added_mb']:.0f}")
    Console(width=140).print(table)
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
