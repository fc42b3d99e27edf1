"""A small detection data set in VOC format, drawn from real handwritten digits.

The scenes show digits of ``sklearn.datasets.load_digits`` (8x8 images, enlarged smoothly) on
cluttered backgrounds. Which pool images get labelled matters: the classes are long-tailed, and
about half of the images are near copies of a few easy templates. The test split is balanced over
the classes, has no near copies, and shows only digit samples that the pool never shows.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

from ads_det.files import read_bytes

CLASSES: tuple[str, ...] = (
    *("zero", "one", "two", "three", "four"),
    *("five", "six", "seven", "eight", "nine"),
)
VERSION = 1  # raise it whenever the drawn images or the boxes change
FREQUENCY_ORDER = (1, 0, 7, 4, 2, 6, 3, 9, 5, 8)  # digits, the most frequent of the pool first
FALLOFF = 0.79  # frequency of a digit relative to the one before it in FREQUENCY_ORDER
EASY_SHARE = 0.55  # probability that a pool image is a near copy of an easy template
EASY_DIGITS = 4  # the easy templates show only that many of the most frequent digits
IMAGES_PER_TEMPLATE = 25  # one easy template per so many pool images
INK = 0.35  # opacity from which a pixel counts as ink
_STREAMS = {"pool": 0, "test": 1, "template": 2, "rows": 3}


@dataclass(frozen=True)
class Scene:
    """One drawn image and its objects."""

    image: np.ndarray  # (height, width, 3) uint8, BGR
    boxes: np.ndarray  # (n, 4) int: xmin, ymin, xmax, ymax; pixels, 1-based, both ends inside
    labels: tuple[int, ...]  # the digit shown, 0-9, an index into CLASSES
    rows: tuple[int, ...]  # the row of load_digits that each object shows
    template: int | None  # the easy template this is a near copy of, or None


def _rng(seed: int, stream: str, index: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, _STREAMS[stream], index])


@lru_cache(maxsize=1)
def _digits() -> tuple[np.ndarray, np.ndarray]:
    """All digit images, (1797, 8, 8) float in 0-1, and their labels."""
    data = load_digits()
    return (data.images / 16).astype(np.float32), data.target


@lru_cache(maxsize=8)
def split_rows(seed: int) -> dict[str, list[np.ndarray]]:
    """Rows of load_digits that each split may show: split -> one array per digit.

    Of each digit 30 % of the rows go to ``test`` and the others to ``pool``.
    """
    rng, labels = _rng(seed, "rows"), _digits()[1]
    rows = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    cuts = [round(0.3 * len(shuffled)) for shuffled in rows]
    test = [shuffled[:cut] for shuffled, cut in zip(rows, cuts)]
    return {"pool": [shuffled[cut:] for shuffled, cut in zip(rows, cuts)], "test": test}


def class_weights(top: int = 10) -> np.ndarray:
    """Probability of each digit 0-9 in the pool if only the ``top`` most frequent may appear."""
    weights = np.zeros(10)
    weights[list(FREQUENCY_ORDER[:top])] = FALLOFF ** np.arange(top)
    return weights / weights.sum()


def _crop_to_ink(alpha: np.ndarray) -> np.ndarray:
    ys, xs = np.nonzero(alpha >= INK)
    return alpha[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]


def draw_digit(row: int, height: float, angle: float = 0.0, stretch: float = 1.0) -> np.ndarray:
    """Opacity (0-1) of one row of load_digits, enlarged smoothly and cropped to its ink.

    ``height`` is that of the ink in pixels, ``angle`` a rotation in degrees, and ``stretch``
    multiplies the width.
    """
    big = cv2.resize(np.pad(_digits()[0][row], 2), (120, 120), interpolation=cv2.INTER_CUBIC)
    turn = cv2.getRotationMatrix2D((59.5, 59.5), angle, 1.0)
    big = cv2.warpAffine(cv2.GaussianBlur(big, (0, 0), 2.4), turn, (120, 120))
    big = _crop_to_ink(np.clip((big - 0.3) / 0.36, 0, 1))
    size = (max(6, round(big.shape[1] / big.shape[0] * height * stretch)), round(height))
    return _crop_to_ink(cv2.resize(big, size, interpolation=cv2.INTER_AREA))


def _clash(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two boxes share more than a tenth of the smaller one."""
    width, height = (max(0, min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + 1) for i in (0, 1))
    smaller = min((box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b))
    return width * height > 0.1 * smaller


def _colour(rng: np.random.Generator, level: float, spread: float) -> np.ndarray:
    """A BGR colour of about the given mean level (0-255); ``spread`` is its colourfulness."""
    tint = rng.normal(0, spread, 3)
    return np.clip(level + tint - tint.mean(), 0, 255)


def _ink_colour(rng: np.random.Generator, behind: float, low: float, high: float) -> np.ndarray:
    """A colour that differs from the level ``behind`` by ``low`` to ``high`` (all 0-255)."""
    step = rng.uniform(low, high)
    fitting = [level for level in (behind - step, behind + step) if 8 <= level <= 247]
    return _colour(rng, rng.choice(fitting or [8 if behind > 127 else 247]), 25)


def _background(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A cluttered background, (height, width, 3) float in 0-255; how cluttered varies."""
    clutter, level, turn = rng.uniform((0.15, 40, 0), (1.0, 215, 2 * np.pi))
    ys, xs = np.mgrid[0:height, 0:width]
    ramp = (np.cos(turn) * xs / width + np.sin(turn) * ys / height)[..., None]
    canvas = (_colour(rng, level, 18) + ramp * rng.normal(0, 45 * clutter, 3)).astype(np.float32)
    spreads = {"blob": 28, "line": 40, "scribble": 50}  # of the levels, 0-255
    for kind in np.repeat(list(spreads), rng.poisson(clutter * np.array([6, 5, 4]))):
        top, spread = canvas.copy(), spreads[kind]
        colour = _colour(rng, level + rng.normal(0, spread), 22).tolist()
        centre = rng.uniform((0, 0), (width, height))
        if kind == "blob":
            shape = (centre.tolist(), rng.uniform(10, 52, 2).tolist(), rng.uniform(0, 180))
            cv2.ellipse(top, shape, colour, -1)
            top = cv2.GaussianBlur(top, (0, 0), rng.uniform(0.6, 3.0))
        else:  # a straight line across, or a short random walk about as thick as a digit's stroke
            reach, steps = (60, 2) if kind == "line" else (rng.uniform(5, 11), rng.integers(3, 6))
            points = (centre + rng.normal(0, reach, (steps, 2)).cumsum(axis=0)).astype(np.int32)
            cv2.polylines(top, [points], False, colour, int(rng.integers(1, 4)))
            top = cv2.GaussianBlur(top, (0, 0), 0.7)
        canvas += rng.uniform(0.5, 1.0) * (top - canvas)
    return np.clip(canvas, 0, 255)


def _labels(rng: np.random.Generator, split: str, index: int, easy: bool) -> list[int]:
    """The digits to show in an image."""
    count = int(rng.integers(1, 3 if easy else 7))
    if split == "pool":
        return rng.choice(10, size=count, p=class_weights(EASY_DIGITS if easy else 10)).tolist()
    others = [digit for digit in rng.permutation(10).tolist() if digit != index % 10]
    return [index % 10, *others][:count]  # all different, the first in turn: balanced


def draw_scene(split: str, index: int, pool: int = 1000, seed: int = 0) -> Scene:
    """Draw image ``index`` (from 0) of ``split`` ("pool" or "test").

    ``pool`` is the number of images of the pool, on which the number of templates depends. A near
    copy differs from its template (one or two large frequent digits on a plain background) by a
    shift of at most 3 pixels, a little brightness and faint noise.
    """
    own = _rng(seed, split, index)
    easy = split == "pool" and own.random() < EASY_SHARE
    template = int(own.integers(max(1, pool // IMAGES_PER_TEMPLATE))) if easy else None
    rng = own if template is None else _rng(seed, "template", template)
    width, height = rng.integers(96, 129, 2).tolist()
    if easy:
        level = rng.choice([rng.uniform(10, 60), rng.uniform(195, 245)])
        canvas = np.full((height, width, 3), _colour(rng, level, 10))
    else:
        canvas = _background(rng, width, height)
    sizes, margin, contrast = ((40, 56), 4, (130, 180)) if easy else ((18, 56), 0, (55, 150))
    found: list[tuple[tuple[int, ...], int, int]] = []  # box, label, row
    for label in _labels(rng, split, index, easy):
        row = int(rng.choice(split_rows(seed)[split][label]))
        for _ in range(40):  # attempts to find room; the first digit always finds some
            size = float(np.exp(rng.uniform(*np.log(sizes))))
            alpha = draw_digit(row, size, rng.uniform(-12, 12), rng.uniform(0.85, 1.2))
            x = int(rng.integers(margin, width - alpha.shape[1] - margin + 1))
            y = int(rng.integers(margin, height - alpha.shape[0] - margin + 1))
            box = (x + 1, y + 1, x + alpha.shape[1], y + alpha.shape[0])
            if not any(_clash(box, other) for other, _, _ in found):
                part = canvas[y : box[3], x : box[2]]
                opacity = alpha[..., None] * (1.0 if easy else rng.uniform(0.85, 1.0))
                part += opacity * (_ink_colour(rng, float(part.mean()), *contrast) - part)
                found.append((box, label, row))
                break
    shift = own.integers(-3, 4, 2) if easy else np.zeros(2, int)  # x, y
    if easy:
        canvas = np.roll(canvas, shift[::-1], axis=(0, 1)) + own.uniform(-4, 4)
    elif own.random() < 0.4:
        canvas = cv2.GaussianBlur(canvas, (0, 0), own.uniform(0.4, 0.9))
    canvas = canvas + own.normal(0, own.uniform(1, 4) if easy else own.uniform(2, 12), canvas.shape)
    image = np.clip(np.rint(canvas), 0, 255).astype(np.uint8)
    boxes, labels, rows = zip(*found)
    return Scene(image, np.array(boxes) + np.tile(shift, 2), labels, rows, template)


def _annotation(name: str, scene: Scene) -> bytes:
    """The VOC annotation of a scene, as XML."""
    height, width, depth = scene.image.shape
    top = ET.Element("annotation")

    def add(parent: ET.Element, **fields: object) -> None:
        for key, value in fields.items():
            ET.SubElement(parent, key).text = str(value)

    add(top, folder="digits", filename=f"{name}.jpg")
    add(ET.SubElement(top, "size"), width=width, height=height, depth=depth)
    add(top, segmented=0)
    for label, box in zip(scene.labels, scene.boxes.tolist()):
        item = ET.SubElement(top, "object")
        add(item, name=CLASSES[label], pose="Unspecified", truncated=0, difficult=0)
        add(ET.SubElement(item, "bndbox"), **dict(zip(("xmin", "ymin", "xmax", "ymax"), box)))
    ET.indent(top)
    return ET.tostring(top) + b"\n"


def _write(root: Path, info: dict[str, int]) -> None:
    """Draw everything into the existing empty folder ``root``; ``dataset.json`` comes last."""
    pool, test, seed = info["pool"], info["test"], info["seed"]
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    names = [f"{number:06d}" for number in range(1, pool + test + 1)]
    bar = tqdm(names, desc="Drawing digit scenes", unit="image", disable=None)
    for index, name in enumerate(bar):
        split, start = ("pool", 0) if index < pool else ("test", pool)
        scene = draw_scene(split, index - start, pool, seed)
        jpeg = cv2.imencode(".jpg", scene.image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        (root / "JPEGImages" / f"{name}.jpg").write_bytes(jpeg.tobytes())
        (root / "Annotations" / f"{name}.xml").write_bytes(_annotation(name, scene))
    (root / "ImageSets/Main/trainval.txt").write_text("\n".join(names[:pool]) + "\n")
    (root / "ImageSets/Main/test.txt").write_text("\n".join(names[pool:]) + "\n")
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    (root / "dataset.json").write_text(json.dumps(info, indent=2) + "\n")


def _is_complete(root: Path, info: dict[str, int]) -> bool:
    """Whether ``root`` holds this data set (False: missing or empty; anything else raises)."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    try:
        found = json.loads(read_bytes(root / "dataset.json"))
    except (OSError, ValueError, RecursionError):  # missing or not JSON
        found = None
    if found == info:
        return True
    what = "something other than a digits data set" if found is None else f"the data set {found}"
    remedy = "choose another folder, or delete this one first"
    raise ValueError(f"{root} holds {what}, not the requested {info}: {remedy}.")


def make_digits(root: str | Path, pool: int = 1000, test: int = 200, seed: int = 0) -> Path:
    """Write the digits data set to ``root`` in VOC layout and return the folder.

    ``pool`` and ``test`` are numbers of images (``trainval.txt`` and ``test.txt``). The same
    arguments give the same files. A folder that already holds the data set is left untouched;
    one that holds anything else raises ValueError. The data set is drawn in a hidden folder
    beside ``root`` (``.<name>.tmp-*``, which a killed process leaves behind; it may be deleted)
    and then renamed, so it appears complete, and several processes may call this at once.
    """
    if pool < 1 or test < 1 or seed < 0:
        raise ValueError(f"pool and test must be >= 1 and seed >= 0: {pool=}, {test=}, {seed=}")
    root = Path(root).expanduser().resolve()
    info = {"digits_version": VERSION, "seed": seed, "pool": pool, "test": test}
    if _is_complete(root, info):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}.tmp-", dir=root.parent) as temporary:
        built = Path(temporary) / "built"  # a folder of its own: it gets the usual permissions
        built.mkdir()
        _write(built, info)
        try:
            os.rename(built, root)
        except OSError:  # perhaps another process was faster
            if not _is_complete(root, info):
                raise
    return root


def main(argv: list[str] | None = None) -> None:
    """Command line: write the data set to a folder."""
    parser = argparse.ArgumentParser(
        prog="python -m ads_det.data.synthetic",
        description="Draw the built-in digits detection data set (VOC layout) into a folder.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("root", type=Path, help="folder to create; left alone if already complete")
    parser.add_argument("--pool", type=int, default=1000, help="images of the training pool")
    parser.add_argument("--test", type=int, default=200, help="images of the test split")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other images")
    options = parser.parse_args(argv)
    try:
        print(make_digits(options.root, options.pool, options.test, options.seed))
    except (OSError, ValueError) as error:
        parser.exit(1, f"error: {error}\n")


if __name__ == "__main__":
    main()
