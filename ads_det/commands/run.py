"""Active learning from the first labels to the last: train, evaluate, score, select, repeat."""

from __future__ import annotations

import argparse
from pathlib import Path

from ads_det.arguments import add_check_option, add_common_options, check_seed, config_file
from ads_det.errors import ADSError
from ads_det.launchers import check_launcher
from ads_det.out_paths import check_no_part

COMPUTES = True
EXAMPLES = (
    "Example: %(prog)s configs/ssd_digits_ads.py --seed 1. "
    "The work directory then holds pool.json (which image was labelled when), a folder a "
    "cycle (ids, model, metrics, scores, picks), history.csv and learning_curve.png. To go on: "
    "%(prog)s --work-dir work_dirs/mine --resume."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        nargs="?",
        type=config_file,
        help="config with an `active_learning` block, see configs/; not needed with --resume and "
        "--work-dir, which take the stored one, options and seed included",
    )
    parser.add_argument(
        "--work-dir", type=Path, help="where to write (default: work_dirs/<config>[_seed<seed>])"
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue the run in the work directory, if any"
    )
    parser.add_argument("--seed", type=int, help="override randomness.seed of the config")
    parser.add_argument("--cycles", type=int, help="override active_learning.cycles")
    add_check_option(parser)
    add_common_options(parser)


def check(args: argparse.Namespace) -> str:
    check_launcher(args.launcher, args.local_rank)
    check_seed("--seed", args.seed)
    if args.work_dir:
        check_no_part("--work-dir", Path(args.work_dir))
        if Path(args.work_dir, "manifest.json").exists():
            raise ADSError(
                f"--work-dir {args.work_dir} is of a comparison, whose runs lie in folders below; "
                "choose another folder."
            )
    args.is_stored = args.config is None
    if args.is_stored:
        if not (args.resume and args.work_dir):
            raise ADSError(
                "No config is given; name one, or --work-dir and --resume to go on with a run."
            )
        args.config = Path(args.work_dir, "config.json")
        if not args.config.is_file() and Path(args.work_dir, "pool.json").is_file():
            raise ADSError(
                f"{args.config} is missing; restore it, or name the config that the run began with "
                "and give the same --cfg-options."
            )
        if not args.config.is_file():
            raise ADSError(
                f"{args.work_dir} holds no run to go on with; give the config to begin one."
            )
    return f"Loading {args.config} ..."


def main(args: argparse.Namespace) -> None:
    from ads_det.commands.work import run

    run.main(args)
