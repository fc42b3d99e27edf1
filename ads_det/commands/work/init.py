"""The work of ``ads-det init``."""

import argparse
import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from ads_det.active.settings import Settings, load_config
from ads_det.commands.init import BASE
from ads_det.commands.words import next_command
from ads_det.commands.work.init_images import choose_images
from ads_det.commands.work.input_choice import MARK, size_sentence
from ads_det.console import say
from ads_det.data.classification import ClassificationDataset
from ads_det.data.notes import MAX_NAMED, and_more
from ads_det.data.readable import find_unreadable, list_images
from ads_det.data.reduced import find_reduced
from ads_det.engine.complete_config import in_loop, is_complete
from ads_det.engine.datasets import dataset_class, pool_config
from ads_det.engine.input_size import as_python, input_scale, with_input_size
from ads_det.engine.model_config import find_settings, with_setting
from ads_det.engine.pretrained import check_load_from
from ads_det.errors import ADSError
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.class_names import check_typed
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
    write_project,
)
from ads_det.labels.sizes import known_size
from ads_det.labels.summary import count_boxes

_EVALUATOR = dict(type="VOCMetric", metric="mAP", eval_mode="11points", iou_thrs=0.5)
_LOOKED_AT = 200  # images whose size is looked up
_SHRINKS = 3.0  # times from which on small objects may vanish


def main(args: argparse.Namespace) -> None:
    """See ``ads-det init --help``."""
    base = load_config(args.base)
    kind = dataset_class(pool_config(base))
    if kind is None or issubclass(kind, ClassificationDataset):
        raise ADSError(f"--detector {args.base} is no config of a detector; name one that is.")
    if args.classes:
        check_typed(args.classes)
        check_classes(args.classes)
    paths = list_images(args.images)
    if not paths:
        raise ADSError(f"{args.images} holds no image; name the folder that does.")
    unreadable = find_unreadable(paths)
    problems = [f"{name!r} cannot be read ({why})" for name, why in unreadable.items()]
    usable = {name: path for name, path in paths.items() if name not in unreadable}
    problems += find_reduced(usable)
    trained = read(args.labels, usable, args)
    measured = read(args.test, usable, args)
    problems += trained.problems + measured.problems
    both = [name for name in trained.images if name in measured.images]
    if both:
        problems.append(
            f"{len(both)} image(s) are in --labels and in --test, such as {both[0]!r}; they are "
            "used to measure on"
        )
    if len(both) == len(trained.images) > 0:
        raise ADSError("--labels and --test label the same images; give each its own.")
    classes = args.classes or sorted({*trained.classes(), *measured.classes()})
    check_classes(classes)
    choice = choose_images(args, usable, trained, measured)
    problems += choice.problems
    test, initial = choice.test, choice.initial
    size = len(usable) - len(test) - len(choice.copies)
    begin = initial if isinstance(initial, int) else len(initial)
    most = 1 + (size - begin) // args.budget
    cycles = args.cycles or max(1, min(5, most))
    if begin > size or cycles > most:
        left_out = f" ({len(unreadable)} cannot be read: {problems[0]})" if unreadable else ""
        if choice.copies:
            left_out += f" ({len(choice.copies)} are copies of these)"
        numbers = {"--cycles": cycles, "--budget": (cycles > 1) * args.budget, "--initial": begin}
        lower = [option for option, number in numbers.items() if number > 1]
        remedy = f"lower {' or '.join(lower)}, or add images" if lower else "add images"
        raise ADSError(
            f"{cycles} cycles need {begin + (cycles - 1) * args.budget} images, but beside the "
            f"{len(test)} test images there are {size}{left_out}; {remedy}."
        )
    passed_over = {*measured.images, *choice.copies}
    kept = [image for name, image in trained.images.items() if name not in passed_over]
    labels = [*measured.images.values(), *kept]
    detector, notes = fit_input(base, args, usable, [x for x in labels if x.boxes])
    if is_complete(base):  # its evaluator reads a file of other images
        detector += as_python(dict(test_evaluator=dict(_EVALUATOR, _delete_=True)))
    settings = [key for key, _ in find_settings(base.model, "num_classes")]
    keys = [key for key in settings if not _in_list(key)]
    if len(keys) < len(settings):
        detector += as_python(_whole_lists(base.model, len(classes)))
    weights = args.weights
    if weights and "://" not in weights:
        weights = str(Path(weights).resolve())
        check_load_from(Config(dict(model=base.model, load_from=weights)))
    plan = Plan(
        args.images,
        classes,
        test,
        initial,
        args.budget,
        cycles,
        args.first == "coverage",
        detector,
        weights,
        choice.copies,
    )
    config = write_project(args.out, plan, labels, args.base, keys)
    try:
        Settings.from_config(in_loop(load_config(config)))
    except ADSError as error:
        config.unlink()
        raise ADSError(f"--detector {args.base} does not fit: {error}") from error
    say(f"{len(paths)} images, {len(unreadable)} of them unreadable; classes: {', '.join(classes)}")
    say(f"{len(labels)} labelled: {count_boxes(labels)}" if labels else "None is labelled yet")
    say(f"{len(test)} test images ({args.out / 'test.txt'}); {size} to choose from")
    if isinstance(initial, int):
        ask = len({*test} - {image.image for image in labels})
        say(f"The first batch: {begin + ask} images, {begin} to train and {ask} to measure on")
    for note in notes:
        say(note)
    for problem in problems[:MAX_NAMED]:
        say(f"problem: {problem}")
    if len(problems) > MAX_NAMED:
        say(f"problem:{and_more(len(problems) - MAX_NAMED)}")
    say(f"Done: {config}. Next: {next_command(args.typed, 'run', config)}")


def _in_list(key: str) -> bool:
    return any(part.isdecimal() for part in key.split("."))


def _whole_lists(model: dict, classes: int) -> dict:
    """The lists in a model's config that hold numbers of classes, such as the stages of a cascade,
    with the number set: a config that inherits can only replace a list as a whole."""
    changed, found = copy.deepcopy(model), {}
    for key, _ in find_settings(model, "num_classes"):
        changed = with_setting(changed, key, classes)
        if not _in_list(key):
            continue
        node, place, name = changed, found, "model"
        for part in key.split(".")[1:]:
            if part.isdecimal():
                place[name] = node
                break
            place, name, node = place.setdefault(name, {}), part, node[part]
    return found


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
    is_small_ssd = args.base.resolve() == BASE.resolve()
    if is_small_ssd:
        size = args.input_size or choose_input_size(relative, image_side)
        if size != side:
            detector = as_python(with_input_size(base, size, relative))
            asked = f"Input: {size} x {size} pixels, as asked."
            notes.append(size_sentence(size, side, relative) if len(relative) else asked)
        elif not len(relative) and not args.input_size:
            detector = MARK
        side = height = size
    mean_side = np.sqrt(side * height)
    text = small_objects_sentence(
        relative * mean_side,
        f"the input of {side} x {height}",
        "cut the photos into tiles, or "
        + ("name a larger --input-size" if is_small_ssd else "raise the scale of every Resize"),
    )
    if text:
        notes.append(text)
    elif not len(relative) and image_side >= _SHRINKS * mean_side:
        is_open = is_small_ssd and not args.input_size
        notes.append(
            f"Photos of typically {image_side:.0f} pixels a side are reduced to {side} x {height}: "
            f"objects under {SMALL * image_side / mean_side:.0f} pixels in a photo will hardly be "
            "found; if there are such, name a larger --input-size (256), or give a few labels with "
            "--labels" + ("; else the first import chooses one." if is_open else ".")
        )
    return detector, notes


def read(path: Path | None, paths: dict[str, str], args: argparse.Namespace) -> Labels:
    """The labels of a file; none without one."""
    return find_labels(path, paths, args.classes, args.without_boxes) if path else Labels()
