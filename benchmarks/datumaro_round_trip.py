"""What datumaro makes of the labels that ads_det writes, in CVAT, VOC and COCO.

python benchmarks/datumaro_round_trip.py --python /path/to/env/bin/python

The interpreter is one that has datumaro (`pip install datumaro` in an environment of its own).
Each format is written by ads_det, imported and exported by datumaro, and read by ads_det; the
exit status is 1 if a box moves by more than half a pixel or an image that datumaro could keep
is lost.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from PIL import Image

from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.coco import write_coco
from ads_det.labels.cvat import write_cvat
from ads_det.labels.names import ImageNames
from ads_det.labels.read import read_labels
from ads_det.labels.voc import write_voc

CLASSES = ("cat", "дом", 'say "hi"', "<a & b>", "it's a tree")
NAMES = (
    "plain.jpg",
    "with space/and more.jpg",
    "фото/三毛猫.jpg",
    "quotes/\"double\" and 'single'.jpg",
    "signs/<a>&amp;b;%20#1.jpg",
    "deep/er/folder/frame.0001.jpg",
    "without boxes.jpg",
)
CONVERT = """
import sys
from datumaro import Dataset
ours, theirs, source, target = sys.argv[1:]
Dataset.import_from(ours, source).export(theirs, target, save_media=True)
"""
TRIPS = (("cvat", "cvat"), ("voc", "voc"), ("coco", "coco"), ("cvat", "coco"), ("coco", "cvat"))
TOLERANCE = 0.5  # pixels, what VOC's whole numbers lose


def draw(folder: Path, names: Sequence[str]) -> None:
    """Small images, for datumaro takes sizes and names from the files."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (97, 61), (90, 120, 150)).save(path)


def make_labels(seed: int) -> list[ImageLabels]:
    """Boxes of whole pixels, of fractions and at all borders; the last image has none."""
    rng = random.Random(seed)
    images = []
    for name in NAMES[:-1]:
        boxes = [Box("cat", 0, 0, 97, 61), Box('say "hi"', 3, 5, 17, 29)]
        for number in range(10):
            x1, y1 = rng.uniform(0, 90), rng.uniform(0, 55)
            corners = (x1, y1, rng.uniform(x1 + 1, 97), rng.uniform(y1 + 1, 61))
            boxes.append(Box(CLASSES[number % len(CLASSES)], *corners))
        images.append(ImageLabels(name, 97, 61, tuple(boxes)))
    return [*images, ImageLabels(NAMES[-1], 97, 61)]


def write(kind: str, images: Sequence[ImageLabels], folder: Path) -> None:
    """A data set as datumaro looks for it: the labels are ours, what it wants beside them not."""
    folder.mkdir()
    if kind == "cvat":
        draw(folder / "images", NAMES)
        write_cvat(images, CLASSES, folder / "all.xml")
    elif kind == "coco":
        draw(folder / "images" / "all", NAMES)
        (folder / "annotations").mkdir()
        write_coco(images, CLASSES, folder / "annotations" / "instances_all.json")
    else:
        draw(folder / "JPEGImages", NAMES)
        write_voc(images, CLASSES, folder / "Annotations")
        (folder / "ImageSets" / "Main").mkdir(parents=True)
        ids = [PurePosixPath(name).with_suffix("").as_posix() for name in NAMES]
        lines = "".join(f"{image}\n" for image in ids)
        (folder / "ImageSets" / "Main" / "all.txt").write_text(lines, encoding="utf-8")
        lines = "".join(f"{name}:::\n" for name in ("background", *CLASSES))
        (folder / "labelmap.txt").write_text(lines, encoding="utf-8")


def distance(one: Box, other: Box) -> float:
    """In pixels, of the edges that lie furthest apart."""
    return max(abs(a - b) for a, b in zip(one.corners, other.corners))


def compare(
    written: Sequence[ImageLabels], found: Sequence[ImageLabels]
) -> tuple[list[str], int, float]:
    """Images that are lost or have other classes, the number of boxes in the rest, and the
    largest difference in pixels."""
    names = ImageNames([labels.image for labels in written])
    by_id = {names.match(labels.image): labels for labels in found}
    lost, count, worst = [], 0, 0.0
    for labels in written:
        other = by_id.get(labels.image)
        if other is None:
            lost.append(labels.image)
            continue
        theirs = list(other.boxes)
        if Counter(box.name for box in theirs) != Counter(box.name for box in labels.boxes):
            lost.append(labels.image)
            continue
        count += len(theirs)
        for box in labels.boxes:  # rounding may have changed their order
            nearest = min((b for b in theirs if b.name == box.name), key=partial(distance, box))
            theirs.remove(nearest)
            worst = max(worst, distance(box, nearest))
    return lost, count, worst


def round_trip(
    python: str, images: Sequence[ImageLabels], source: str, target: str
) -> tuple[list[str], int, float]:
    """:func:`compare` of what we write in one format and datumaro in the same or another."""
    with tempfile.TemporaryDirectory() as temporary:
        ours, theirs = Path(temporary, "ours"), Path(temporary, "theirs")
        write(source, images, ours)
        command = [python, "-c", CONVERT, str(ours), str(theirs), source, target]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"datumaro failed, {source} to {target}:\n{done.stderr[-2000:]}")
        warnings = {line for line in done.stderr.splitlines() if "WARNING" in line}
        for line in sorted(line for line in warnings if "'is_crowd'" not in line):
            print(f"datumaro, {source} to {target}: {line}")  # CVAT has no such attribute
        single = theirs / "annotations" / "instances_all.json"  # others repeat a part of it
        return compare(images, read_labels(single if single.exists() else theirs))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", required=True, help="interpreter that has datumaro")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    images = make_labels(args.seed)
    failed, notes = False, []
    print(f"{'format':24}{'images':>10}{'boxes':>12}{'largest difference':>22}")
    for source, target in TRIPS:
        name = source if source == target else f"{source} to {target}"
        lost, boxes, worst = round_trip(args.python, images, source, target)
        kept = f"{len(images) - len(lost)}/{len(images)}"
        count = f"{boxes}/{sum(len(labels.boxes) for labels in images)}"
        print(f"{name:24}{kept:>10}{count:>12}{worst:>19.4f} px")
        excused = [i for i in lost if target == "voc" and i == NAMES[-1]]
        if excused:
            notes.append(
                f"{name}: datumaro writes no VOC file for {excused[0]!r}, which has no box"
            )
        notes += [f"{name}: FAILED, {i!r} is lost" for i in lost if i not in excused]
        failed |= len(lost) > len(excused) or worst > TOLERANCE
    for note in notes:
        print(note)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
