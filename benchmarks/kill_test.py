"""Kill the loop at random moments, resume it, compare it with a run that nobody disturbed.

A small detection loop and a small classification loop are each run once undisturbed. Then the
same command is started again and again, each process ended by SIGKILL at a random moment of its
work (a tenth of them while it still starts up), and gone on with --resume. Whenever a run has
come to its end in spite of that, every file of its work directory is compared with the
undisturbed one: id lists, scores, metrics, history, state and pictures byte by byte, models bit
by bit. Seconds and logs may differ.

    python benchmarks/kill_test.py --kills 50
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
_SMALL_DETECTION = [
    "train_cfg.max_epochs=4",
    "train_dataloader.sampler.num_samples=32",
    "train_dataloader.batch_size=8",
    "unlabeled_dataloader.batch_size=8",
    "test_dataloader.dataset.indices=40",
    "method.images_per_epoch=16",
    "method.interval=1",
    "method.begin=1",
    "active_learning.initial=20",
    "active_learning.budget=10",
    "active_learning.subset=60",
]
TASKS = {
    "detection": ["configs/ssd_digits_ads.py", *_SMALL_DETECTION],
    "retina": ["configs/retina_digits_ads.py", *_SMALL_DETECTION],
    "classification": [
        "configs/resnet8_digits_ads.py",
        "train_cfg.max_epochs=24",
        "active_learning.subset=200",
    ],
}
CYCLES = 2
COMMON = ["default_hooks.checkpoint.interval=1", f"active_learning.cycles={CYCLES}"]
# what says when, not what
IGNORED = ("seconds.json", ".lock")


def command(task: str, work_dir: Path) -> list[str]:
    config, *options = TASKS[task]
    loop = [str(ROOT / "tools/al_loop.py"), str(ROOT / config)]
    loop += ["--work-dir", str(work_dir.resolve()), "--resume", "--cfg-options"]
    return [*loop, *options, *COMMON]


def start_process(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start the loop from the root, where the embedded data are; its output goes to a file."""
    with open(log, "ab") as file:
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
            # unbuffered, so that the log tells at once when the work begins
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        )


class Process:
    """The loop in a process of its own, whose output goes to a file."""

    start = staticmethod(start_process)

    def __init__(self, task: str, work_dir: Path) -> None:
        self.log = work_dir.with_suffix(".log")
        self.begin = self.log.stat().st_size if self.log.exists() else 0
        self.process = self.start(command(task, work_dir), self.log.resolve())

    def has_said(self, text: bytes) -> bool:
        return self.log.exists() and text in self.log.read_bytes()[self.begin :]

    def works(self) -> bool:
        """Whether it has begun or resumed a cycle."""
        return self.has_said(b"Cycle ")

    def wait_until(self, deadline: float) -> bool:
        """Whether its work was done before a moment of time.monotonic()."""
        while self.process.poll() is None and not self.has_said(b"Done:"):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        if self.process.wait():
            sys.exit(f"the loop failed, see {self.log}")
        return True


def run_undisturbed(task: str, work_dir: Path) -> float:
    """Seconds of work, without those of starting up."""
    process = Process(task, work_dir)
    while not process.works() and process.process.poll() is None:
        time.sleep(0.02)
    start = time.monotonic()
    process.wait_until(float("inf"))
    return time.monotonic() - start


def run_until_killed(task: str, work_dir: Path, moments: random.Random, seconds: float) -> bool:
    """Run or resume; returns whether it was killed before its end."""
    process = Process(task, work_dir)
    if moments.random() < 0.1:
        deadline = time.monotonic() + moments.uniform(0, 5)
    else:
        while not process.works() and process.process.poll() is None:
            time.sleep(0.02)
        deadline = time.monotonic() + moments.uniform(0, seconds)
    if process.wait_until(deadline):
        return False
    process.process.kill()
    process.process.wait()
    return True


def position(work_dir: Path) -> str:
    """What a killed run was at, by the files that it left."""
    if not (work_dir / "pool.json").exists():
        return "before the first state"
    cycles = sorted(work_dir.glob("cycle_*"))
    if not cycles:
        return "between stages"
    stages = ("unlabeled.txt", "model.pth", "metrics.json", "picks.txt")
    names = ("lists", "training", "evaluation", "selection")
    for file, name in zip(stages, names):
        if not (cycles[-1] / file).exists():
            is_over = file == "picks.txt" and len(cycles) == CYCLES
            return "tables and pictures" if is_over else name
    return "between stages"


def differences(expected: Path, found: Path) -> list[str]:
    """Names of the files that differ, or that only one of two work directories has."""
    files = [
        {str(p.relative_to(d)) for p in d.rglob("*") if p.is_file() and _counts(p.relative_to(d))}
        for d in (expected, found)
    ]
    unequal = [n for n in files[0] & files[1] if not _equal(expected / n, found / n)]
    return sorted([*(files[0] ^ files[1]), *unequal])


def _counts(path: Path) -> bool:
    is_log = len(path.parts) > 2 and path.parts[1] == "train" and path.suffix != ".pth"
    return path.name not in IGNORED and not (is_log and not path.name.endswith(".tmp"))


def _equal(a: Path, b: Path) -> bool:
    if a.suffix == ".pth":
        states = [torch.load(p, weights_only=True)["state_dict"] for p in (a, b)]
        return states[0].keys() == states[1].keys() and all(
            torch.equal(states[0][k], states[1][k]) for k in states[0]
        )
    if a.name == "history.json":
        contents = [json.loads(p.read_text()) for p in (a, b)]
        for content in contents:
            for row in content["cycles"]:
                del row["seconds"]
        return contents[0] == contents[1]
    if a.name == "history.csv":
        tables = [[line.split(",") for line in p.read_text().splitlines()] for p in (a, b)]
        kept = [i for i, name in enumerate(tables[0][0]) if not name.startswith("seconds")]
        cells = [[[row[i] for i in kept] for row in table] for table in tables]
        return cells[0] == cells[1]
    return a.read_bytes() == b.read_bytes()


def test_task(task: str, folder: Path, kills: int, moments: random.Random) -> list[str]:
    """Kill a task's runs so often; returns the differences found."""
    expected = folder / f"{task}_undisturbed"
    seconds = run_undisturbed(task, expected)
    print(f"{task}: undisturbed run, {seconds:.1f} s of work", flush=True)
    done, runs, found = 0, 0, []
    where: Counter[str] = Counter()
    while done < kills:
        work_dir = folder / f"{task}_{runs}"
        own = 0
        while True:
            # the last kill allowed leaves the run to end in peace
            if done < kills and run_until_killed(task, work_dir, moments, seconds):
                done, own = done + 1, own + 1
                where[position(work_dir)] += 1
                continue
            if done >= kills:
                run_undisturbed(task, work_dir)
            break
        runs += 1
        unequal = differences(expected, work_dir)
        found += [f"{work_dir.name}/{name}" for name in unequal]
        print(f"{task}: run {runs} ended after {own} kills, {len(unequal)} differences", flush=True)
    places = ", ".join(f"{name} {n}" for name, n in where.most_common())
    print(f"{task}: {done} kills of {runs} runs ({places}): {len(found)} differences", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50, help="of each loop (default: 50)")
    parser.add_argument("--task", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    parser.add_argument(
        "--work-dir", type=Path, default=Path("work_dirs/kill_test"), help="a new folder"
    )
    args = parser.parse_args()
    args.work_dir.mkdir(parents=True, exist_ok=False)
    moments = random.Random(args.seed)
    found = []
    for task in args.task:
        found += test_task(task, args.work_dir, args.kills, moments)
    if found:
        sys.exit("\n".join(["These files differ:", *found]))


if __name__ == "__main__":
    main()
