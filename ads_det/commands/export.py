"""Export the model of a run: ONNX, or config and weights of mmdet's own detector."""

from __future__ import annotations

import argparse
from pathlib import Path

from ads_det.arguments import folder
from ads_det.errors import ADSError
from ads_det.out_paths import check_file, check_no_run
from ads_det.work_files import RunFiles

EXAMPLES = (
    "Examples: %(prog)s work_dirs/demo --format onnx; %(prog)s work_dirs/demo --format mmdet "
    "--out detector, after which DetInferencer('detector/config.py', 'detector/model.pth') works."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=folder, help="work directory of al_loop.py")
    parser.add_argument("--format", choices=("onnx", "mmdet"), required=True)
    parser.add_argument("--cycle", type=int, help="whose model (default: the last finished one)")
    parser.add_argument("--out", type=Path, help="file or folder (default: <run>/export)")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="of the input in pixels, for ONNX (default: as the run's pipeline resizes images)",
    )


def check(args: argparse.Namespace) -> str:
    if args.size is not None and not 1 <= min(args.size) <= max(args.size) <= 10_000:
        raise ADSError(f"--size is {args.size[0]} {args.size[1]}; use numbers from 1 to 10,000.")
    if args.size is not None and args.format == "mmdet":
        raise ADSError("--size is for --format onnx; mmdet's pipeline resizes images itself.")
    if args.out is not None and args.format == "mmdet":
        if args.out.exists() and not args.out.is_dir():
            raise ADSError(f"--out {args.out} is a file; name a folder for config and weights.")
        check_no_run("--out", args.out)
    elif args.out is not None:
        check_file("--out", args.out, ".onnx")
    cycles = RunFiles(args.run).cycles()
    trained = [number for number, files in cycles.items() if files.found_models()]
    if not trained:
        raise ADSError(f"{args.run} holds no trained model; name a work directory of al_loop.py.")
    if args.cycle is None:
        args.cycle = max(trained)
    if args.cycle not in trained:
        known = ", ".join(map(str, trained))
        raise ADSError(f"--cycle is {args.cycle}, which has no trained model; use one of {known}.")
    return f"Loading cycle {args.cycle} of {args.run} ..."


def main(args: argparse.Namespace) -> None:
    from ads_det.commands.work import export

    export.main(args)
