"""Begin a project from a folder of images, with or without labels: check all, write its config."""

import sys
from pathlib import Path

# else this folder's select.py would stand in for the standard library's
sys.path[:] = [p for p in sys.path if Path(p).resolve() != Path(__file__).resolve().parent]

from ads_det.errors import exit_without_stack

exit_without_stack()

import argparse

from ads_det.active.settings import Settings, load_config
from ads_det.cli import run_tool
from ads_det.console import say
from ads_det.data.classification import ClassificationDataset
from ads_det.data.pool_dataset import MAX_NAMED, and_more
from ads_det.data.readable import find_unreadable, list_images
from ads_det.engine.datasets import dataset_class, pool_config
from ads_det.engine.model_config import find_settings
from ads_det.errors import ADSError
from ads_det.labels.project import (
    Labels,
    Plan,
    check_classes,
    find_labels,
    split_test,
    write_project,
)
from ads_det.labels.summary import count_boxes

BASE = Path(__file__).resolve().parents[1] / "configs/_base_/ssd_small_ads.py"


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Examples: python tools/init_project.py photos/ --classes cat dog --out "
        "projects/pets (no labels yet: the first run proposes what to label first); python "
        "tools/init_project.py photos/ --labels coco.json --out projects/pets. Labels may be COCO "
        "JSON, VOC XML, YOLO txt, Label Studio JSON or CVAT XML. Writes OUT/<name>.py, the labels "
        "and the list of test images; nothing else is changed.",
    )
    parser.add_argument("images", type=Path, help="folder of images, searched with its subfolders")
    parser.add_argument("--labels", type=Path, help="file or folder of the labels there are")
    parser.add_argument(
        "--classes",
        nargs="+",
        default=[],
        help="names (default: all that the labels name, by the alphabet)",
    )
    parser.add_argument(
        "--test", type=Path, help="labels of the images to measure on, which never train"
    )
    parser.add_argument(
        "--test-share",
        type=float,
        default=0.2,
        help="without --test: share of the labelled images, or beyond the first batch, to measure "
        "on (default: 0.2)",
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
        "--base", type=Path, default=BASE, help="config of the model (default: a small SSD)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the project")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    check_numbers(args)
    if args.images.resolve() in [args.out.resolve(), *args.out.resolve().parents]:
        raise ADSError(
            f"--out {args.out} lies in the folder of images, whose pictures would mix; choose a "
            "folder elsewhere."
        )
    paths = list_images(args.images)
    if not paths:
        raise ADSError(f"{args.images} holds no image; name the folder that does.")
    unreadable = find_unreadable(paths)
    problems = [f"{name!r} cannot be read ({why})" for name, why in unreadable.items()]
    usable = {name: path for name, path in paths.items() if name not in unreadable}
    trained = read(args.labels, usable, args)
    measured = read(args.test, usable, args)
    problems += trained.problems + measured.problems
    classes = args.classes or sorted({*trained.classes(), *measured.classes()})
    check_classes(classes)
    given = [name for name in trained.images if name not in measured.images]
    # nothing labelled: the test images are labelled with the first batch
    number = round(args.initial / (1 - args.test_share)) if not given else 0
    test = list(measured.images) or split_test(
        given or split_test(list(usable), min(number / len(usable), 1), args.seed),
        args.test_share,
        args.seed,
    )
    initial = [name for name in given if name not in set(test)] or args.initial
    size = len(usable) - len(test)
    begin = initial if isinstance(initial, int) else len(initial)
    most = 1 + (size - begin) // args.budget
    cycles = args.cycles or min(5, most)
    if begin > size or cycles > most:
        raise ADSError(
            f"{cycles} cycles need {begin + (cycles - 1) * args.budget} images, but beside the "
            f"{len(test)} test images there are {size}; lower --cycles, --budget or --initial."
        )
    plan = Plan(args.images, classes, test, initial, args.budget, cycles, args.first == "coverage")
    labels = [*measured.images.values(), *(trained.images[name] for name in given)]
    keys = [key for key, _ in find_settings(load_config(args.base).model, "num_classes")]
    config = write_project(args.out, plan, labels, args.base, keys)
    try:
        Settings.from_config(load_config(config))
    except ADSError as error:
        config.unlink()
        raise ADSError(f"--base {args.base} does not fit: {error}") from error
    say(f"{len(paths)} images, {len(unreadable)} of them unreadable; classes: {', '.join(classes)}")
    say(f"{len(labels)} labelled: {count_boxes(labels)}")
    say(f"{len(test)} test images ({args.out / 'test.txt'}); {size} to choose from")
    if not given:
        ask = 0 if measured.images else len(test)
        say(f"The first batch: {begin + ask} images, {begin} to train and {ask} to measure on")
    for problem in problems[:MAX_NAMED]:
        say(f"problem: {problem}")
    if len(problems) > MAX_NAMED:
        say(f"problem:{and_more(len(problems) - MAX_NAMED)}")
    say(f"Done: {config}. Next: python tools/al_loop.py {config}")


def read(path: Path | None, paths: dict[str, str], args: argparse.Namespace) -> Labels:
    """The labels of a file; none without one."""
    return find_labels(path, paths, args.classes, args.without_boxes) if path else Labels()


def check_numbers(args: argparse.Namespace) -> None:
    """Refuse numbers without meaning.

    Raises:
        ADSError: names the option.
    """
    for name in ("initial", "budget", "cycles"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ADSError(f"--{name} is {value}; use 1 or more.")
    if not 0 < args.test_share < 1:
        raise ADSError(f"--test-share is {args.test_share}; use a share above 0 and below 1.")
    if args.seed < 0:
        raise ADSError(f"--seed is {args.seed}; use 0 or more.")
    if not args.base.is_file():
        raise ADSError(f"The config {args.base} does not exist; name one of configs/.")
    base = load_config(args.base)
    kind = dataset_class(pool_config(base))
    if kind is None or issubclass(kind, ClassificationDataset):
        raise ADSError(f"--base {args.base} is no config of a detector; name one that is.")


if __name__ == "__main__":
    run_tool(main)
