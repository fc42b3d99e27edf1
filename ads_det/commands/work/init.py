"""The work of ``ads-det init``."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from ads_det.active.settings import Settings, load_config
from ads_det.commands.init import BASE
from ads_det.console import say
from ads_det.data.classification import ClassificationDataset
from ads_det.data.notes import MAX_NAMED, and_more
from ads_det.data.readable import find_unreadable, list_images
from ads_det.engine.datasets import dataset_class, pool_config
from ads_det.engine.input_size import as_python, input_scale, with_input_size
from ads_det.engine.model_config import find_settings
from ads_det.errors import ADSError
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.object_sizes import (
    SMALL,
    choose_input_size,
    relative_sizes,
    small_objects_sentence,
    typical_side,
)
from ads_det.labels.project import (
    Labels,
    Plan,
    check_classes,
    find_labels,
    split_test,
    write_project,
)
from ads_det.labels.sizes import known_size
from ads_det.labels.summary import count_boxes

TEST_SHARE = 0.2  # of the labelled images
POOL_SHARE, MOST_TEST = 0.1, 100  # where nothing is labelled: of all images, and at most
_LOOKED_AT = 200  # images whose size is looked up
_SHRINKS = 3.0  # times from which on small objects may vanish


def main(args: argparse.Namespace) -> None:
    """See ``ads-det init --help``."""
    base = load_config(args.base)
    kind = dataset_class(pool_config(base))
    if kind is None or issubclass(kind, ClassificationDataset):
        raise ADSError(f"--base {args.base} is no config of a detector; name one that is.")
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
    share = args.test_share or TEST_SHARE
    number = round(args.initial / (1 - share)) if not given else 0
    if not given and args.test_share is None:
        number = max(number, args.initial + min(round(len(usable) * POOL_SHARE), MOST_TEST))
        share = 1 - args.initial / number
    test = list(measured.images) or split_test(
        given or split_test(list(usable), min(number / len(usable), 1), args.seed),
        share,
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
    labels = [*measured.images.values(), *(trained.images[name] for name in given)]
    detector, notes = fit_input(base, args, usable, [x for x in labels if x.boxes])
    plan = Plan(
        args.images,
        classes,
        test,
        initial,
        args.budget,
        cycles,
        args.first == "coverage",
        detector,
    )
    keys = [key for key, _ in find_settings(base.model, "num_classes")]
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
    for note in notes:
        say(note)
    for problem in problems[:MAX_NAMED]:
        say(f"problem: {problem}")
    if len(problems) > MAX_NAMED:
        say(f"problem:{and_more(len(problems) - MAX_NAMED)}")
    say(f"Done: {config}. Next: python tools/al_loop.py {config}")


def fit_input(
    base: Config, args: argparse.Namespace, paths: dict[str, str], labels: Sequence[ImageLabels]
) -> tuple[str, list[str]]:
    """Python that overrides the base for an input under which the objects can be found, and what
    to say of it."""
    found = input_scale(base)
    if found is None:
        return "", []
    (side, height), _ = found
    relative, notes, detector = relative_sizes(labels), [], ""
    some = list(paths.values())[:: max(len(paths) // _LOOKED_AT, 1)]
    image_side = typical_side([known_size(path) for path in some])
    if args.base.resolve() == BASE.resolve():
        size = args.input_size or choose_input_size(relative, image_side)
        if size != side:
            detector = as_python(with_input_size(base, size, relative))
            notes.append(
                f"Input: {size} x {size} pixels instead of {side} x {side}, so that objects of the "
                f"median size have {np.median(relative) * size:.0f} pixels instead of "
                f"{np.median(relative) * side:.0f}; a training takes about "
                f"{(size / side) ** 2:.1f} times as long."
                if len(relative)
                else f"Input: {size} x {size} pixels, as asked."
            )
        side = height = size
    mean_side = np.sqrt(side * height)
    text = small_objects_sentence(
        relative * mean_side,
        f"the input of {side} x {height}",
        "cut the photos into tiles, or name a larger --input-size",
    )
    if text:
        notes.append(text)
    elif not len(relative) and image_side >= _SHRINKS * mean_side:
        notes.append(
            f"Photos of typically {image_side:.0f} pixels a side are reduced to {side} x {height}: "
            f"objects under {SMALL * image_side / mean_side:.0f} pixels in a photo will hardly be "
            "found; if there are such, name a larger --input-size (256), or give a few labels with "
            "--labels."
        )
    return detector, notes


def read(path: Path | None, paths: dict[str, str], args: argparse.Namespace) -> Labels:
    """The labels of a file; none without one."""
    return find_labels(path, paths, args.classes, args.without_boxes) if path else Labels()
