"""Draw runs: one HTML page that needs no network, and its pictures and tables as files."""

from __future__ import annotations

import argparse
from pathlib import Path

from ads_det.arguments import check_ceiling, folder
from ads_det.benchmark.run_folder import find_runs
from ads_det.errors import ADSError
from ads_det.out_paths import check_no_part

COMPUTES = True
EXAMPLES = (
    "Examples: %(prog)s work_dirs/demo; %(prog)s "
    "work_dirs/benchmark_resnet8_digits_ads --run ads+entropy. Writes report.html, figures/ "
    "and tables/ to --out."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders", nargs="+", type=folder, help="work directories of al_loop.py or of benchmark.py"
    )
    parser.add_argument("--out", type=Path, help="folder (default: <first folder>/report)")
    parser.add_argument(
        "--run", help="method shown in detail, with its first seed (default: the first method)"
    )
    parser.add_argument("--metric", help="to compare (default: mean prediction)")
    parser.add_argument("--ceiling", type=float, help="result with all labels")
    parser.add_argument(
        "--published",
        metavar="FIGURE",
        help="draw published curves beside the runs, e.g. 'Fig. 5a' (see "
        "docs/published_results.json); only for the same data, model and measure",
    )
    parser.add_argument(
        "--no-model", action="store_true", help="leave out what needs the models and images"
    )


def check(args: argparse.Namespace) -> str:
    check_ceiling(args.ceiling)
    if args.out is not None:
        check_no_part("--out", args.out)
    runs = find_runs(args.folders)
    if args.run is not None and args.run not in runs:
        raise ADSError(f"--run is {args.run!r}; use one of {', '.join(runs)}.")
    return f"Reading {', '.join(map(str, args.folders))} ..."


def main(args: argparse.Namespace) -> None:
    from ads_det.commands.work import report

    report.main(args)
