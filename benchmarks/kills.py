"""Kill runs at random moments, resume them, compare them with runs that nobody disturbed.

Each task is run once undisturbed: two small detection loops, a classification loop, a loop whose
training images come from worker processes, a comparison of two methods, and a loop whose labels are
imported. Then the same command is started again and again, each process ended by SIGKILL at a
random moment of its work (a tenth of them while it still starts up), and gone on with. With
``workers`` it is a worker that is ended, after which the loop must say one sentence. Whenever a run
has come to its end in spite of that, every file of its work directory is compared with the
undisturbed one: id lists, scores, metrics, history, state, labels and pictures byte by byte, models
bit by bit. Seconds and logs may differ.

    python benchmarks/kills.py --kills 200 --forked
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
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
TASKS["workers"] = [*TASKS["detection"], "train_dataloader.num_workers=2"]
TASKS["benchmark"] = [
    TASKS["classification"][0],
    "train_cfg.max_epochs=12",
    "active_learning.subset=200",
]
TASKS["human"] = TASKS["detection"]
CYCLES = 2
COMMON = ["default_hooks.checkpoint.interval=1", f"active_learning.cycles={CYCLES}"]
# what says when, not what
IGNORED = ("seconds.json", ".lock")


def command(task: str, work_dir: Path) -> list[str]:
    config, *options = TASKS[task]
    if task == "human":
        own = ("pool.", "test_dataloader.", "active_learning.subset", "active_learning.budget")
        options = [o for o in options if not o.startswith((*own, "active_learning.initial"))]
        driver = [str(ROOT / "benchmarks/human_loop.py"), str(work_dir.resolve())]
        return [*driver, str(ROOT / config), "--options", *options, *COMMON[:1]]
    if task == "benchmark":
        tool = [str(ROOT / "tools/benchmark.py"), str(ROOT / config), "--seeds", "0", "--jobs", "2"]
        tool += ["--methods", "ads+random", "ads+entropy", "--work-dir", str(work_dir.resolve())]
        return [*tool, "--cfg-options", *options, *COMMON]
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
        return self.has_said(b"Cycle ") or self.has_said(b"runs are finished")

    def wait_until(self, deadline: float) -> bool:
        """Whether its work was done before a moment of time.monotonic()."""
        while self.process.poll() is None and not self.has_said(b"Done: table"):
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
    if task == "workers" and process.works():
        return kill_worker(process)
    process.process.kill()
    process.process.wait()
    return True


def kill_worker(process: Process) -> bool:
    """Kill a process that loads images, when there is one; whether the loop ended by it."""
    while process.process.poll() is None:
        main = f"/proc/{process.process.pid}/task/{process.process.pid}/children"
        try:
            found = [int(pid) for pid in Path(main).read_text().split()]
            for pid in found[:1]:
                os.kill(pid, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if found:
            break
        time.sleep(0.005)
    status = process.process.wait()
    if status == 0:  # it was no longer needed
        return False
    if status != 2 or not process.has_said(b"A process that loads images was ended"):
        sys.exit(f"a killed worker gave status {status}, see {process.log}")
    return True


def position(work_dir: Path) -> str:
    """What a killed run was at, by the files that it left."""
    states = sorted(work_dir.rglob("pool.json"), key=lambda path: path.stat().st_mtime)
    if not states:
        return "before the first state"
    work_dir = states[-1].parent
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
    is_log = "train" in path.parts[:-1] and path.suffix != ".pth"
    is_log |= path.suffix == ".log"  # of the runs of a comparison
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
    expected, active = folder / f"{task}_undisturbed", folder / f"{task}_now"
    seconds = run_undisturbed(task, active)
    active.rename(expected)  # files that name their folder shall be equal too
    print(f"{task}: undisturbed run, {seconds:.1f} s of work", flush=True)
    done, runs, found = 0, 0, []
    where: Counter[str] = Counter()
    while done < kills:
        work_dir = folder / f"{task}_{runs}"
        own = 0
        while True:
            # the last kill allowed leaves the run to end in peace
            if done < kills and run_until_killed(task, active, moments, seconds):
                done, own = done + 1, own + 1
                where[position(active)] += 1
                continue
            if done >= kills:
                run_undisturbed(task, active)
            break
        active.rename(work_dir)
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
        "--work-dir", type=Path, default=Path("work_dirs/kills"), help="a new folder"
    )
    parser.add_argument(
        "--forked", action="store_true", help="start from a process that has imported everything"
    )
    args = parser.parse_args()
    args.work_dir.mkdir(parents=True, exist_ok=False)
    if args.forked:
        sys.path.insert(0, str(ROOT / "tests"))
        from processes import Forked

        Process.start = staticmethod(lambda command, log: Forked(command, ROOT, log, log))
    moments = random.Random(args.seed)
    found = []
    for task in args.task:
        found += test_task(task, args.work_dir, args.kills, moments)
    if found:
        sys.exit("\n".join(["These files differ:", *found]))


if __name__ == "__main__":
    main()
