"""Compare ways of training and selecting over several seeds, on the same initial images."""

from __future__ import annotations

import argparse
from pathlib import Path

from ads_det.arguments import (
    KeyValueAction,
    add_check_option,
    check_ceiling,
    check_seed,
    config_file,
)
from ads_det.errors import ADSError
from ads_det.out_paths import check_no_run

TWO_BY_TWO = ("plain+random", "plain+entropy", "ads+random", "ads+entropy")
COMPUTES = True
EXAMPLES = (
    "Example: %(prog)s configs/resnet8_digits_ads.py --seeds 0 1 2 --jobs 2. A method is "
    "TRAINING+STRATEGY. Trainings: plain (no phases), equal (plain with as many updates as ADS "
    "makes), ll4al, dropout, ensemble, two (two classifiers, no phases), zero (phases of loss "
    "weight 0), ads (the config), or yours. Run the same command again to go on; finished runs "
    "are kept. Writes METHOD/seed_N (work directories of runs), manifest.json and comparison.md."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=config_file, help="an ADS config, see configs/")
    parser.add_argument(
        "--methods", nargs="+", default=TWO_BY_TWO, help="default: {plain, ads} x {random, entropy}"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument(
        "--training",
        action="append",
        default=[],
        metavar="'NAME: KEY=VALUE ...'",
        help="a training of your own: changes of the config, e.g. "
        "'ads_none: method.weighting=none'",
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs at once (default: 1)")
    parser.add_argument(
        "--work-dir", type=Path, help="where to write (default: work_dirs/benchmark_<config>)"
    )
    parser.add_argument(
        "--metric", help="to compare (default: that of the config, mean prediction)"
    )
    parser.add_argument(
        "--ceiling", type=float, help="result with all labels, for the labels needed to reach it"
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=KeyValueAction,
        metavar="KEY=VALUE",
        help="for all methods",
    )
    add_check_option(parser)


def check(args: argparse.Namespace) -> str:
    if args.work_dir is not None:
        check_no_run("--work-dir", args.work_dir)
    if args.jobs < 1:
        raise ADSError(f"--jobs is {args.jobs}; use 1 or more.")
    check_ceiling(args.ceiling)
    for seed in args.seeds:
        check_seed("--seeds", seed)
    return f"Loading {args.config} ..."


def main(args: argparse.Namespace) -> None:
    from ads_det.commands.work import benchmark

    benchmark.main(args)
