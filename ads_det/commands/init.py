"""Begin a project from a folder of images, with or without labels.

All is checked before anything is written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ads_det.arguments import check_seed, config_file, existing, folder
from ads_det.errors import ADSError
from ads_det.files import shipped
from ads_det.out_paths import check_outside

CONFIGS = shipped("configs", "_base_")
BASE = CONFIGS / "ssd_small_project.py"
DETECTORS = {
    "ssd_small": BASE,
    "retinanet_r50": CONFIGS / "retinanet_r50_project.py",
    "rtmdet_tiny": CONFIGS / "rtmdet_tiny_project.py",
}
_ZOO = "https://download.openmmlab.com/mmdetection"
WEIGHTS = {  # of mmdet's model zoo, trained on COCO
    "retinanet_r50": f"{_ZOO}/v2.0/retinanet/retinanet_r50_fpn_1x_coco/"
    "retinanet_r50_fpn_1x_coco_20200130-c2398f9e.pth",
    "rtmdet_tiny": f"{_ZOO}/v3.0/rtmdet/rtmdet_tiny_8xb32-300e_coco/"
    "rtmdet_tiny_8xb32-300e_coco_20220902_112414-78e30dcc.pth",
}
EXAMPLES = (
    "Examples: %(prog)s photos/ --classes cat dog --out projects/pets (no labels yet: the first "
    "run proposes what to label first); %(prog)s photos/ --labels coco.json --out projects/pets. "
    "Labels may be COCO JSON, VOC XML, YOLO txt, Label Studio JSON or CVAT XML. Writes "
    "OUT/<name>.py, the labels and the list of test images; nothing else is changed."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "images", type=folder, help="folder of images, searched with its subfolders"
    )
    parser.add_argument("--labels", type=existing, help="file or folder of the labels there are")
    parser.add_argument(
        "--classes",
        nargs="+",
        default=[],
        help="names (default: all that the labels name, by the alphabet)",
    )
    parser.add_argument(
        "--test", type=existing, help="labels of the images to measure on, which never train"
    )
    parser.add_argument(
        "--test-share",
        type=float,
        help="without --test: share of the labelled images, or of the first batch with them, to "
        "measure on (default: 0.2; where nothing is labelled at least a tenth of all images, up to "
        "100: each has to be labelled, but with few of them no number can be trusted)",
    )
    parser.add_argument(
        "--without-boxes",
        choices=("checked", "skip"),
        default="skip",
        help="images that a file lists without boxes: checked, or not labelled (default: skip)",
    )
    parser.add_argument(
        "--initial", type=int, default=40, help="first batch if nothing is labelled (default: 40)"
    )
    parser.add_argument(
        "--first",
        choices=("random", "coverage"),
        default="random",
        help="how the first batch is chosen: by chance, or unlike each other in the features of "
        "the untrained (or pretrained) model",
    )
    parser.add_argument("--budget", type=int, default=40, help="images a batch (default: 40)")
    parser.add_argument(
        "--cycles", type=int, help="trainings (default: 5, or as many as the images allow)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the test images (default: 0)")
    parser.add_argument(
        "--detector",
        "--base",
        dest="base",
        type=_detector,
        default=BASE,
        help=f"{', '.join(DETECTORS)} (default: the first, which a CPU can train), or a config of "
        "this project, or a complete one of mmdet, which is taken as it is",
    )
    parser.add_argument(
        "--input-size",
        type=int,
        help="side of the small SSD's input in pixels (default: 128, or as large as the labelled "
        "objects ask for, at most 512)",
    )
    parser.add_argument(
        "--weights",
        help="checkpoint (file or URL) to begin with, of the same architecture; its classes may "
        "differ, the rows of those with the same name are carried over; 'none' begins without",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the project")


def check(args: argparse.Namespace) -> str:
    for name in ("initial", "budget", "cycles"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ADSError(f"--{name} is {value}; use 1 or more.")
    size = args.input_size
    if size is not None and (not 64 <= size <= 1024 or size % 32):
        raise ADSError(f"--input-size is {size}; use a multiple of 32 from 64 to 1024.")
    if size is not None and args.base != BASE:
        raise ADSError(
            "--input-size is for the small SSD; set the scale in the config of --detector."
        )
    if not args.out.name.strip("."):
        raise ADSError(f"--out {args.out} has no name for the project; name a new folder.")
    _check_weights(args)
    if args.test_share is not None and not 0 < args.test_share < 1:
        raise ADSError(f"--test-share is {args.test_share}; use a share above 0 and below 1.")
    check_seed("--seed", args.seed)
    check_outside(args.out, args.images)
    return f"Checking the images of {args.images} ..."


def _detector(text: str) -> Path:
    """A name of :data:`DETECTORS`, or a config."""
    return DETECTORS.get(text) or config_file(text)


def _check_weights(args: argparse.Namespace) -> None:
    name = next((name for name, path in DETECTORS.items() if path == args.base), "")
    if args.weights is None and name in WEIGHTS:
        file = args.out / WEIGHTS[name].rpartition("/")[2]
        raise ADSError(
            f"{name} begins with weights trained on COCO: download {WEIGHTS[name]} to {file} and "
            f"add --weights {file} (with a network the address itself will do; --weights none "
            "begins without, and learns little from few images)."
        )
    if args.weights == "none":
        args.weights = None
    if args.weights and "://" not in args.weights and not Path(args.weights).is_file():
        raise ADSError(f"--weights {args.weights} is no file; download the checkpoint and name it.")


def main(args: argparse.Namespace) -> None:
    from ads_det.commands.work import init

    init.main(args)
