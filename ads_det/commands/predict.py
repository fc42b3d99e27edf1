"""Let the newest model of a run look at a folder of images: pictures with boxes, and COCO JSON."""

from __future__ import annotations

import argparse
from pathlib import Path

from ads_det.arguments import folder
from ads_det.errors import ADSError
from ads_det.out_paths import check_no_run, check_outside
from ads_det.work_files import RunFiles

COMPUTES = True
EXAMPLES = (
    "Example: %(prog)s work_dirs/pets new_photos/ --out found. Writes coco.json and, for each "
    "image, a picture with its boxes below OUT/images."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("work_dir", type=folder, help="work directory of a run of a detector")
    parser.add_argument(
        "images", type=folder, help="folder of images, searched with its subfolders"
    )
    parser.add_argument("--cycle", type=int, help="whose model (default: the last), from 0")
    parser.add_argument(
        "--threshold", type=float, default=0.3, help="least score of a box (default: 0.3)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("work_dirs/predict"),
        help="folder to write to (default: work_dirs/predict)",
    )


def check(args: argparse.Namespace) -> str:
    if not 0 <= args.threshold <= 1:
        raise ADSError(f"--threshold is {args.threshold}; use a score from 0 to 1.")
    cycles = {n: c for n, c in RunFiles(args.work_dir).cycles().items() if c.found_models()}
    if not cycles:
        raise ADSError(f"{args.work_dir} holds no trained model; name the work directory of a run.")
    args.cycle = max(cycles) if args.cycle is None else args.cycle
    if args.cycle not in cycles:
        named = ", ".join(map(str, cycles))
        raise ADSError(f"--cycle is {args.cycle}; models are there of {named}.")
    check_outside(args.out, args.images)
    check_no_run("--out", args.out)
    if (args.out / "coco.json").exists():
        raise ADSError(f"{args.out} holds a coco.json already; choose another --out.")
    return f"Loading the model of cycle {args.cycle} in {args.work_dir} ..."


def main(args: argparse.Namespace) -> None:
    from ads_det.commands.work import predict

    predict.main(args)
