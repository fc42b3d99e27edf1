"""Rank the images of a config's pool, or of any folder of images, with a checkpoint.

The config may be one of this project or that of any detector of mmdet 3.x.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ads_det.arguments import (
    KeyValueAction,
    add_common_options,
    check_seed,
    checkpoint_file,
    config_file,
    folder,
    id_list,
)
from ads_det.errors import ADSError
from ads_det.launchers import check_launcher
from ads_det.out_paths import check_no_run, check_outside

COMPUTES = True
EXAMPLES = (
    "Examples: %(prog)s configs/ssd_digits_ads.py work_dirs/demo/cycle_04/model.pth "
    "--exclude work_dirs/demo/cycle_04/labeled.txt; "
    "%(prog)s my_config.py model.pth --images photos/ --number 200. "
    "With a plain mmdet config and checkpoint: %(prog)s retinanet_r50_fpn_1x_coco.py "
    "epoch_12.pth --images photos/ --number 200 --strategy entropy --strategy-options topk=100. "
    "No annotation is read. Writes scores.csv (best first; of more than 10,000 images the best, "
    "and all in scores.npz), picks.png, picks.txt and, for a detector, to_label/: the picked "
    "images with proposed boxes in the formats of annotation tools."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=config_file, help="config the checkpoint was trained with")
    parser.add_argument(
        "checkpoint", type=checkpoint_file, help="weights, e.g. <work-dir>/cycle_04/model.pth"
    )
    parser.add_argument("--images", type=folder, help="rank this folder instead of the pool")
    parser.add_argument("--exclude", type=id_list, help="id list of images to leave out (labelled)")
    parser.add_argument(
        "--number", type=int, help="how many to pick (default: active_learning.budget)"
    )
    parser.add_argument(
        "--strategy",
        metavar="NAME",
        help="such as entropy, margin or ads_det.CoreSet (default: active_learning.strategy, or "
        "entropy where the config has none)",
    )
    parser.add_argument(
        "--strategy-options",
        nargs="+",
        action=KeyValueAction,
        metavar="KEY=VALUE",
        help="arguments of the strategy, e.g. topk=50",
    )
    parser.add_argument(
        "--threshold", type=float, default=0.3, help="least score of a proposed box (default: 0.3)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of a random strategy (default: 0)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("work_dirs/select"),
        help="folder to write to (default: work_dirs/select)",
    )
    add_common_options(parser)


def check(args: argparse.Namespace) -> str:
    check_launcher(args.launcher, args.local_rank)
    check_seed("--seed", args.seed)
    if not 0 <= args.threshold <= 1:
        raise ADSError(f"--threshold is {args.threshold}; use a score from 0 to 1.")
    if args.strategy is not None and not args.strategy:
        raise ADSError("--strategy is empty; name one, such as entropy.")
    if args.number is not None and args.number < 1:
        raise ADSError(f"--number is {args.number}; ask for 1 image or more.")
    if args.images is not None:
        check_outside(args.out, args.images)
    check_no_run("--out", args.out)
    return f"Loading {args.config} ..."


def main(args: argparse.Namespace) -> None:
    from ads_det.commands.work import rank

    rank.main(args)
