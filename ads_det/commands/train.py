"""Train once on the images of a list, with the unlabelled phases on others."""

from __future__ import annotations

import argparse
from pathlib import Path

from ads_det.arguments import add_check_option, add_common_options, check_seed, config_file, id_list
from ads_det.launchers import check_launcher
from ads_det.out_paths import check_no_run

COMPUTES = True
EXAMPLES = (
    "Example: %(prog)s configs/ssd_digits_ads.py "
    "work_dirs/demo/cycle_04/labeled.txt --work-dir work_dirs/again. Writes model.pth there "
    "and prints its evaluation."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=config_file, help="config such as those of configs/")
    parser.add_argument("labeled", type=id_list, help="text file with the ids to train on")
    parser.add_argument(
        "--unlabeled",
        type=id_list,
        help="text file with the ids that the phases see (default: all others of the pool)",
    )
    parser.add_argument("--work-dir", type=Path, required=True, help="where to write")
    parser.add_argument(
        "--resume", action="store_true", help="continue a training that was cut short there"
    )
    parser.add_argument("--seed", type=int, default=0, help="of this training (default: 0)")
    add_check_option(parser)
    add_common_options(parser)


def check(args: argparse.Namespace) -> str:
    check_launcher(args.launcher, args.local_rank)
    check_seed("--seed", args.seed)
    check_no_run("--work-dir", args.work_dir)
    return f"Loading {args.config} ..."


def main(args: argparse.Namespace) -> None:
    from ads_det.commands.work import train

    train.main(args)
