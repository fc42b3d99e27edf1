"""Kill runs at random moments, resume them, compare them with runs that nobody disturbed.

Each task is run once undisturbed: two small detection loops, a classification loop, a loop whose
training images come from worker processes, a comparison of two methods, a loop whose labels are
imported, and a loop of each method that ADS is compared with. Then the same command is started
again and again, each process ended by SIGKILL at a random moment of its work (a tenth of them
while it still starts up; the first of each run of VAAL, SRAAL and an ensemble in the stage that
only they have), and gone on with. With ``workers`` it is a worker that is ended, after which the
loop must say one sentence. Whenever a run has come to its end in spite of that, every file of its
work directory is compared with the undisturbed one: id lists, scores, metrics, history, state,
labels and pictures byte by byte, models and what a strategy learnt bit by bit. Seconds and logs
may differ.

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

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from equal_runs import differences

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
_STRATEGY = "active_learning.strategy"
_PLAIN = [*TASKS["benchmark"], "model.num_classifiers=1", "method.type=ads_det.Plain"]
_GAME = [f"{_STRATEGY}.{o}" for o in ("size=8", "z_dim=4", "width=2", "batch_size=8")]
_GAME += [f"{_STRATEGY}.iterations=50"]
TASKS |= {
    "ll4al": [*_PLAIN[:-1], "method.type=ads_det.LL4AL", f"{_STRATEGY}.type=ads_det.LearnedLoss"],
    "vaal": [*_PLAIN, f"{_STRATEGY}.type=ads_det.VAAL", *_GAME],
    "sraal": [*_PLAIN, f"{_STRATEGY}.type=ads_det.SRAAL", *_GAME],
    "dropout": [
        *(*_PLAIN, "model.dropout=0.1"),
        *(f"{_STRATEGY}.type=ads_det.BALD", f"{_STRATEGY}.passes=5"),
    ],
    "ensemble": [*_PLAIN, "method.members=2", f"{_STRATEGY}.type=ads_det.BALD"],
    "discrepancy": [
        *(*TASKS["benchmark"], "method.images_per_epoch=64"),
        f"{_STRATEGY}.type=ads_det.Discrepancy",
    ],
}
FITTED = ("ads_det.VAAL", "ads_det.SRAAL")
# what a run says when the stage of its own has begun
OWN_STAGE = {"vaal": b"fit 5/50", "sraal": b"fit 5/50", "ensemble": b"Member 2 of 2"}
CYCLES = 2
COMMON = ["default_hooks.checkpoint.interval=1", f"active_learning.cycles={CYCLES}"]


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


def run_until_killed(
    task: str, work_dir: Path, moments: random.Random, seconds: float, stage: bytes | None = None
) -> bool:
    """Run or resume; returns whether it was killed before its end.

    Args:
        task: which.
        work_dir: of the run.
        moments: draws the moment.
        seconds: of the work of an undisturbed run.
        stage: what it says when the stage begins in which it is to be killed; any unless given.
    """
    process = Process(task, work_dir)
    if stage is not None:
        while not process.has_said(stage) and process.process.poll() is None:
            time.sleep(0.005)
        deadline = time.monotonic()
    elif moments.random() < 0.1:
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
    config = json.loads((work_dir / "config.json").read_text())
    stages = {"lists": "unlabeled.txt"}
    members = config["method"].get("members", 1)
    if members == 1:
        stages["training"] = "model.pth"
    else:
        stages |= {f"member_{j}": f"member_{j}/model.pth" for j in range(members)}
    stages["evaluation"] = "metrics.json"
    if len(cycles) == CYCLES:
        stages["tables and pictures"] = "picks.txt"  # never written
    else:
        if config["active_learning"]["strategy"]["type"] in FITTED:
            stages["fit"] = "sampler.pth"
        stages["selection"] = "picks.txt"
    missing = (name for name, file in stages.items() if not (cycles[-1] / file).exists())
    return next(missing, "between stages")


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
            stage = None if own else OWN_STAGE.get(task)
            if done < kills and run_until_killed(task, active, moments, seconds, stage):
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
