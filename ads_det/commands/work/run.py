"""The work of ``ads-det run``."""

import argparse
import gc
from pathlib import Path

from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.oracle import Commands
from ads_det.active.run_threads import keep_threads
from ads_det.active.settings import load_config
from ads_det.arguments import option_values
from ads_det.commands.words import next_command
from ads_det.console import say
from ads_det.engine.complete_config import in_loop
from ads_det.engine.run_settings import check_processes
from ads_det.engine.stored_config import read_config
from ads_det.errors import ADSError
from ads_det.launchers import start_processes


def main(args: argparse.Namespace) -> None:
    """See ``ads-det run --help``."""
    gc.freeze()  # what was imported stays: no use in searching it after each cycle
    start_processes(args.launcher, args.local_rank)
    if args.is_stored:
        read_config(args.config)  # refuses what a stored config must not hold
    cfg = in_loop(load_config(args.config, option_values(args.cfg_options)))
    if cfg.get("launcher", "none") not in ("none", args.launcher):
        raise ADSError(f"`launcher` is {cfg.launcher!r}; use --launcher {cfg.launcher} instead.")
    cfg.launcher = args.launcher
    name = args.config.stem
    if args.seed is not None:
        cfg.randomness = dict(cfg.get("randomness", {}), seed=args.seed)
        name += f"_seed{args.seed}"
    if args.cycles is not None and isinstance(cfg.get("active_learning"), dict):
        cfg.active_learning.cycles = args.cycles
    work_dir = Path(args.work_dir or cfg.get("work_dir") or Path("work_dirs", name))
    block = cfg.get("active_learning")
    cycles = block.get("cycles") if isinstance(block, dict) else None
    check_processes(cfg, cfg.get("randomness"), cycles, str(work_dir), args.resume)
    if cfg.get("resume") and not args.resume:
        raise ADSError(f"`resume` of {args.config} is {cfg.resume!r}; add --resume instead.")
    bring = next_command(args.typed, "import", work_dir, "EXPORTED_FILE")
    commands = Commands(again(args, work_dir), bring)
    loop = ActiveLearningLoop(cfg, work_dir, args.resume, commands)
    if args.check:
        loop.check()
        say(f"{args.config} is in order; nothing was written.")
        return
    loop.open()
    keep_threads(work_dir, args.threads)
    loop.run()
    if not loop.is_waiting:
        table, curve = work_dir / "history.csv", work_dir / "learning_curve.png"
        say(f"Done: table in {table}, curve in {curve}")
        more = f"{again(args, work_dir)} --cycles {loop.settings.cycles + 1}"
        say(f"All {loop.settings.cycles} cycles are finished. One more: {more}")


def again(args: argparse.Namespace, work_dir: Path) -> str:
    """The command that goes on with the run, whose settings are stored."""
    launcher = ["--launcher", args.launcher] if args.launcher != "none" else []
    return next_command(args.typed, "run", "--work-dir", work_dir, "--resume", *launcher)
