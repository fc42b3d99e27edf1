"""Active learning from the first labels to the last: train, evaluate, score, select, repeat."""

import sys
from pathlib import Path

# else this folder's select.py would stand in for the standard library's
sys.path[:] = [p for p in sys.path if Path(p).resolve() != Path(__file__).resolve().parent]

from ads_det.errors import exit_without_stack

exit_without_stack()

import argparse
import shlex

from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.settings import load_config
from ads_det.cli import add_common_options, run_tool, start_processes
from ads_det.console import say


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: python tools/al_loop.py configs/ssd_digits_ads.py --seed 1. "
        "The work directory then holds pool.json (which image was labelled when), a folder a "
        "cycle (ids, model, metrics, scores, picks), history.csv and learning_curve.png.",
    )
    parser.add_argument("config", help="config with an `active_learning` block, see configs/")
    parser.add_argument(
        "--work-dir", help="where to write (default: work_dirs/<config>[_seed<seed>])"
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue the run in the work directory, if any"
    )
    parser.add_argument("--seed", type=int, help="override randomness.seed of the config")
    parser.add_argument("--cycles", type=int, help="override active_learning.cycles")
    add_common_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    start_processes(args.launcher, args.local_rank)
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    name = Path(args.config).stem
    if args.seed is not None:
        cfg.randomness = dict(cfg.get("randomness", {}), seed=args.seed)
        name += f"_seed{args.seed}"
    if args.cycles is not None and isinstance(cfg.get("active_learning"), dict):
        cfg.active_learning.cycles = args.cycles
    work_dir = Path(args.work_dir or Path("work_dirs", name))
    again = [*sys.argv, *([] if args.resume else ["--resume"])]
    loop = ActiveLearningLoop(cfg, work_dir, args.resume, shlex.join(["python", *again]))
    loop.run()
    if not loop.is_waiting:
        table, curve = work_dir / "history.csv", work_dir / "learning_curve.png"
        say(f"Done: table in {table}, curve in {curve}")


if __name__ == "__main__":
    run_tool(main)
