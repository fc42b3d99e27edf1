"""Arrange a flat VOC-format folder as a VOCdevkit with the years 2007 and 2012."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

DESCRIPTION = """\
Arrange a flat VOC-format folder as a VOCdevkit, so that configs written for PASCAL VOC 2007+2012
can be tried on a small data set. SRC holds JPEGImages/ID.jpg, Annotations/ID.xml and
ImageSets/Main/{trainval,test}.txt. The trainval ids are dealt in turn to VOC2007 and VOC2012,
the test ids all go to VOC2007. Files are hard-linked, or copied where that is impossible;
SRC is left as it is."""


def read_ids(src: Path, split: str) -> list[str]:
    """Read the image ids of a split: the first word of each line, each id once."""
    path = src / "ImageSets" / "Main" / f"{split}.txt"
    if not path.is_file():
        raise ValueError(f"{path} is missing: it lists the {split} images, one id a line.")
    words = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    ids = list(dict.fromkeys(word[0] for word in words if word))
    if not ids:
        raise ValueError(f"{path} names no image: it has to list one id a line.")
    return ids


def source_files(src: Path, image_id: str) -> list[Path]:
    """Return the image and the annotation of an id, both of which have to be there."""
    files = [src / "JPEGImages" / f"{image_id}.jpg", src / "Annotations" / f"{image_id}.xml"]
    for path in files:
        if not path.is_file():
            raise ValueError(f"{path} is missing, though {src / 'ImageSets'} lists its id.")
    return files


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a file, or copy it where the file system cannot link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def make_vocdevkit(src: Path, dst: Path) -> dict[str, int]:
    """Write DST/VOC2007 and DST/VOC2012; return the number of ids by year and split."""
    trainval, test = read_ids(src, "trainval"), read_ids(src, "test")
    lists = {
        ("VOC2007", "trainval"): trainval[0::2],
        ("VOC2007", "test"): test,
        ("VOC2012", "trainval"): trainval[1::2],
    }
    # Everything is checked before the first file is written.
    files = {image_id: source_files(src, image_id) for image_id in trainval + test}
    for year in ("VOC2007", "VOC2012"):
        if (dst / year).exists():
            raise ValueError(f"{dst / year} exists already: remove it or name another DST.")
    for (year, split), ids in lists.items():
        for image_id in ids:
            for path in files[image_id]:
                target = dst / year / path.parent.name / path.name
                if not target.exists():  # an id may be in trainval and in test
                    link_or_copy(path, target)
        id_list = dst / year / "ImageSets" / "Main" / f"{split}.txt"
        id_list.parent.mkdir(parents=True, exist_ok=True)
        id_list.write_text("".join(f"{image_id}\n" for image_id in ids), encoding="utf-8")
    return {f"{year} {split}": len(ids) for (year, split), ids in lists.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when the VOCdevkit was written, 2 when it was not."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("src", metavar="SRC", type=Path, help="flat folder, e.g. data/voc100")
    parser.add_argument("dst", metavar="DST", type=Path, help="VOCdevkit, e.g. data/VOCdevkit")
    args = parser.parse_args(argv)
    try:
        counts = make_vocdevkit(args.src, args.dst)
    except (ValueError, OSError) as error:
        print(f"make_vocdevkit: {error}", file=sys.stderr)
        return 2
    print(f"{args.dst}: " + ", ".join(f"{name} {n} images" for name, n in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
