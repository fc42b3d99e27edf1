"""The work of ``ads-det run``."""

import argparse
import shlex
from pathlib import Path

from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.settings import load_config
from ads_det.arguments import option_values
from ads_det.cli import start_processes
from ads_det.console import say


def main(args: argparse.Namespace) -> None:
    """See ``ads-det run --help``."""
    start_processes(args.launcher, args.local_rank)
    cfg = load_config(args.config, option_values(args.cfg_options))
    cfg.launcher = args.launcher
    name = args.config.stem
    if args.seed is not None:
        cfg.randomness = dict(cfg.get("randomness", {}), seed=args.seed)
        name += f"_seed{args.seed}"
    if args.cycles is not None and isinstance(cfg.get("active_learning"), dict):
        cfg.active_learning.cycles = args.cycles
    work_dir = Path(args.work_dir or Path("work_dirs", name))
    again = shlex.join([*args.typed, *([] if args.resume else ["--resume"])])
    loop = ActiveLearningLoop(cfg, work_dir, args.resume, again)
    loop.run()
    if not loop.is_waiting:
        table, curve = work_dir / "history.csv", work_dir / "learning_curve.png"
        say(f"Done: table in {table}, curve in {curve}")
