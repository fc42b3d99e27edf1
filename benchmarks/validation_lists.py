"""Disjoint id lists to search hyper-parameters without looking at test images.

Draws, for each split, some images to train on and as many to validate on from the training
images of a class-folder data set. docs/reproduction.md shows the commands that use them.

    python benchmarks/validation_lists.py data/cifar10/train work_dirs/cifar10_lists
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from ads_det.data.class_folders import ClassFolderDataset
from ads_det.files import write_ids


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", help="folder with one folder a class")
    parser.add_argument("out", type=Path, help="receives trainN.txt and valN.txt")
    parser.add_argument("--size", type=int, default=1000, help="images of a list (default: 1000)")
    parser.add_argument("--splits", type=int, default=3, help="pairs of lists (default: 3)")
    args = parser.parse_args()
    ids = sorted(ClassFolderDataset(args.images).image_ids())
    random.Random(2026).shuffle(ids)
    args.out.mkdir(parents=True, exist_ok=True)
    for split in range(args.splits):
        begin = 2 * args.size * split
        middle, end = begin + args.size, begin + 2 * args.size
        write_ids(args.out / f"train{split}.txt", ids[begin:middle])
        write_ids(args.out / f"val{split}.txt", ids[middle:end])


if __name__ == "__main__":
    main()
