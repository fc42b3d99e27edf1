"""From a folder of images, and labels if there are any, to a config that the loop can run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ads_det.errors import ADSError
from ads_det.files import first_twice, write_ids, write_text
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.claims import claimed_images
from ads_det.labels.class_names import check_spelling, spelling
from ads_det.labels.complete import complete, ignored_tag, scale_problem
from ads_det.labels.read import read_labels
from ads_det.labels.sizes import is_on_its_side, is_turned
from ads_det.labels.store import LabelStore

GIVEN = "given"  # the name of the labels that a project begins with

_CONFIG = """\
# A project for labelling, written by ads-det init. Change what you like before the first
# run; docs/labelling.md says what the settings of `active_learning` mean.
_base_ = {base}

classes = {classes}
images = dict(
    type="ads_det.ImageFolderDataset",
    ann_file="",
    data_root={images},
    labels={labels},
    metainfo=dict(classes=classes),
)
pool = dict(exclude={excluded}, **images)
test_dataloader = dict(dataset=dict(ids={test}, **images))
{model}
active_learning = dict(
    oracle="human",
    initial={initial},
    budget={budget},
    cycles={cycles},
    prepare=None,{first}
){weights}
del images, classes
"""


@dataclass
class Labels:
    """What was found in an annotation file.

    Args:
        images: usable ones, by id.
        problems: what was not used, in words.
    """

    images: dict[str, ImageLabels] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def classes(self) -> list[str]:
        """Names of all classes in their alphabetical order."""
        return sorted({box.name for image in self.images.values() for box in image.boxes})


def check_classes(classes: Sequence[str]) -> None:
    """Refuse names that no format could keep.

    Raises:
        ADSError: if there is none, one is empty, has characters that cannot be printed or blanks
            around it, or two are the same but for case or the form of their accents.
    """
    if len(classes) == 1 and "," in classes[0]:
        raise ADSError(f"--classes is {classes[0]!r}; put blanks, not commas, between names.")
    if not classes or not all(name.strip() for name in classes):
        raise ADSError("No class is known; name them with --classes, or give --labels with boxes.")
    odd = next((n for n in classes if n != n.strip() or not n.isprintable()), None)
    if odd is not None:
        raise ADSError(
            f"The class {odd!r} has a blank around it or a character that cannot be printed, which "
            "no label file keeps; rename it."
        )
    twice = first_twice(classes)
    if twice is not None:
        raise ADSError(f"--classes names {twice!r} twice; name each class once.")
    form = first_twice([spelling(name) for name in classes])
    if form is not None:
        alike = " and ".join(repr(name) for name in classes if spelling(name) == form)
        raise ADSError(f"The classes {alike} look alike; name each class once, in one spelling.")


def find_labels(
    path: Path, paths: Mapping[str, str], classes: Sequence[str], without_boxes: str
) -> Labels:
    """Read labels and set aside what cannot be right.

    Args:
        path: file or folder in one of the known formats.
        paths: paths of all images, by id.
        classes: wanted; all that occur, if empty. Objects of others are passed over.
        without_boxes: ``'checked'`` or ``'skip'``, for images of which the file says neither.

    Raises:
        ADSError: if the file cannot be read.
    """
    found = Labels()
    other_classes: Counter[str] = Counter()
    read, skipped, passes_over_tags = [], 0, False
    stated: dict[str, tuple[int, int]] = {}  # sizes of the images that are taken
    given = read_labels(path, classes, paths)
    for name, image in claimed_images(given, paths, path.name, found.problems):
        boxes = tuple(box for box in image.boxes if not classes or box.name in classes)
        other_classes.update(b.name for b in image.boxes if classes and b.name not in classes)
        unsaid = not image.boxes and image.checked is None
        if not image.boxes and not image.checked and not (unsaid and without_boxes == "checked"):
            skipped += unsaid
            continue
        whole, problem = complete(
            replace(image, image=name, boxes=boxes, checked=True),
            paths[name],
            {box.name for box in boxes},
        )
        read.append(whole)
        if problem:
            found.problems.append(problem)
            passes_over_tags |= ignored_tag((image.width, image.height), paths[name])
        elif name in found.images and found.images[name].boxes != whole.boxes:
            found.problems.append(f"{name!r} occurs twice with other boxes; the first was taken")
        else:
            found.images.setdefault(name, whole)
            stated.setdefault(name, (image.width, image.height))
    # upside down, mirrored or square: of these no size tells whether their tag was obeyed
    turned = [
        name
        for name, (width, height) in stated.items()
        if passes_over_tags and is_turned(paths[name])
        if width == height or not is_on_its_side(paths[name])
    ]
    for name in turned:
        del found.images[name]
        found.problems.append(
            f"{name!r} has an orientation tag, which the annotation tool ignored in other images; "
            "label an upright copy"
        )
    check_spelling(path, other_classes, classes, "--classes")
    scale = scale_problem(read)
    if scale:
        raise ADSError(f"{path} cannot be meant: {scale}.")
    found.problems += [
        f"{count} object(s) of the class {name!r}, which --classes does not name, were passed over"
        for name, count in other_classes.items()
    ]
    if other_classes and not any(image.boxes for image in found.images.values()):
        asked, named = (", ".join(map(repr, n)) for n in (classes, sorted(other_classes)))
        raise ADSError(
            f"No object in {path} is of the classes {asked}; it has {named}. Correct --classes."
        )
    if not found.images:
        first = f" The first problem: {found.problems[0]}." if found.problems else ""
        raise ADSError(
            f"{path} labels none of the images.{first} Correct the file or the "
            "folder of images; images without boxes count with --without-boxes checked."
        )
    if skipped:
        found.problems.append(
            f"{skipped} image(s) are listed without a box and count as not labelled; pass "
            "--without-boxes checked if somebody looked and found no object"
        )
    return found


def split_test(
    ids: Sequence[str], share: float, seed: int, shows: Collection[str] = ()
) -> list[str]:
    """Random ids to measure on, at least one, in the order of ``ids``.

    Args:
        ids: Ids to choose from.
        share: share of them to draw.
        seed: seed of the choice.
        shows: ids that show an object: if chance puts all of them on one side, one is exchanged.
    """
    number = max(round(share * len(ids)), 1)
    random = np.random.default_rng(seed)
    chosen = random.choice(len(ids), number, replace=False).tolist()
    others = [i for i in range(len(ids)) if i not in set(chosen)]
    useful = {i for i, name in enumerate(ids) if name in shows}
    for side, other in ((chosen, others), (others, chosen)):
        spare = [i for i in other if i in useful]
        if side and len(spare) > 1 and not useful.intersection(side):
            taken = spare[random.integers(len(spare))]
            side[-1], other[other.index(taken)] = taken, side[-1]
    return [ids[i] for i in sorted(chosen)]


@dataclass(frozen=True)
class Plan:
    """What the config of a project says."""

    images: Path
    classes: Sequence[str]
    test: Sequence[str]
    initial: Sequence[str] | int
    budget: int
    cycles: int
    coverage: bool = False
    detector: str = ""  # a config between the base and the project's; none if empty
    weights: str | None = None  # checkpoint to begin with: a full path or an address
    copies: Sequence[str] = ()  # images that have the content of test images


def write_project(
    out: Path,
    plan: Plan,
    labels: Sequence[ImageLabels],
    base: Path,
    num_classes_keys: Sequence[str],
) -> Path:
    """Write labels, lists and, last, the config.

    Args:
        out: folder of the project; made if missing.
        plan: what the project is to be.
        labels: Labels that are known already.
        base: config to inherit from.
        num_classes_keys: dotted keys of the numbers of classes in its model.

    Returns:
        Path of the config, named like the folder.

    Raises:
        ADSError: if the folder holds a project already or cannot be written.
    """
    config = out / f"{out.resolve().name}.py"
    store = LabelStore(out.resolve() / "labels")
    if config.exists() or store.files():
        raise ADSError(f"{out} already holds a project; choose another --out, or delete it.")
    out.mkdir(parents=True, exist_ok=True)
    test = out.resolve() / "test.txt"
    write_ids(test, plan.test)
    excluded = test
    if plan.copies:
        excluded = out.resolve() / "not_in_pool.txt"
        write_ids(excluded, [*plan.test, *plan.copies])
    initial: str | int
    if isinstance(plan.initial, int):
        initial = plan.initial
    else:
        initial = str(out.resolve() / "initial.txt")
        write_ids(Path(initial), plan.initial)
    if labels:
        store.add(labels, plan.classes, GIVEN)
    if plan.detector:
        text, base = f"_base_ = {_literal(os.fspath(base.resolve()))}\n\n", out / "detector.py"
        write_text(base, text + plan.detector)
    weights = f"\nload_from = {_literal(plan.weights)}" if plan.weights else ""
    first = '\n    initial_strategy="ads_det.CoreSet",' if plan.coverage else ""
    text = _CONFIG.format(
        base=_literal(os.fspath(base.resolve())),
        classes=_literal(tuple(plan.classes)),
        images=_literal(os.fspath(plan.images.resolve())),
        labels=_literal(os.fspath(store.folder)),
        test=_literal(os.fspath(test)),
        excluded=_literal(os.fspath(excluded)),
        model="\n".join(_assignment(key, "len(classes)") for key in num_classes_keys),
        initial=_literal(initial),
        budget=plan.budget,
        cycles=plan.cycles,
        first=first,
        weights=weights,
    )
    write_text(config, text)
    return config


def _literal(value: object) -> str:
    """Python for a text, a number or a tuple of them, in which mmengine finds none of its own
    variables, such as ``{{ fileDirname }}``: it replaces them before Python reads the file."""
    return repr(value).replace("{{", "{\\x7b")


def _assignment(key: str, value: str) -> str:
    """Python that sets a dotted key of a config, such as ``model = dict(head=dict(n=1))``."""
    first, *path, last = key.split(".")
    return (
        f"{first} = "
        + "".join(f"dict({p}=" for p in path)
        + f"dict({last}={value})"
        + ")" * len(path)
    )
