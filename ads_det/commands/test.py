"""Evaluate a checkpoint: the metric of the mean of both classifiers and of each."""

from __future__ import annotations

import argparse
from pathlib import Path

from ads_det.arguments import add_common_options, checkpoint_file, config_file
from ads_det.errors import ADSError
from ads_det.launchers import check_launcher
from ads_det.out_paths import check_file, check_no_run

COMPUTES = True
EXAMPLES = "Example: %(prog)s configs/ssd_digits_ads.py work_dirs/demo/cycle_04/model.pth"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", type=config_file, help="config with test_dataloader and test_evaluator"
    )
    parser.add_argument(
        "checkpoint", type=checkpoint_file, help="weights, e.g. <work-dir>/cycle_04/model.pth"
    )
    parser.add_argument("--out", type=Path, help="also write the metrics to this JSON file")
    parser.add_argument(
        "--work-dir", type=Path, default=Path("work_dirs/test"), help="where the log goes"
    )
    add_common_options(parser)


def check(args: argparse.Namespace) -> str:
    check_launcher(args.launcher, args.local_rank)
    check_no_run("--work-dir", args.work_dir)
    if args.out is not None:
        if not args.out.resolve().parent.is_dir():
            raise ADSError(f"--out {args.out} is in no folder that exists; make it first.")
        check_file("--out", args.out, ".json", args.config, args.checkpoint)
    return f"Loading {args.config} ..."


def main(args: argparse.Namespace) -> None:
    from ads_det.commands.work import test

    test.main(args)
