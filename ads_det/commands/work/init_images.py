"""Which images a new project measures on, and which it begins with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field

from ads_det.data.overlap import shared_images
from ads_det.labels.project import Labels, split_test

TEST_SHARE = 0.2  # of the labelled images
POOL_SHARE, MOST_TEST = 0.1, 100  # where nothing is labelled: of all images, and at most


@dataclass
class Choice:
    """Images by their parts.

    Args:
        test: to measure on.
        initial: labelled, to begin with; or how many of the pool.
        copies: Images with the content of a test image, which must not train.
        problems: what is said of them.
    """

    test: list[str]
    initial: list[str] | int
    copies: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def choose_images(
    args: argparse.Namespace, paths: dict[str, str], trained: Labels, measured: Labels
) -> Choice:
    """Choose by the labels that there are and by ``--seed``.

    Args:
        args: Arguments of ``ads-det init``.
        paths: paths of all images that can be read, by id.
        trained, measured: what ``--labels`` and ``--test`` label.
    """
    problems = []
    if measured.images and not _showing(measured):
        problems.append(
            f"none of the images that --test {args.test} labels shows an object, so a run cannot "
            "measure on them: begin again with labels that do"
        )
    given = [name for name in trained.images if name not in measured.images]
    shows = _showing(trained) - measured.images.keys()
    needed = 1 if measured.images else 2  # one to measure on, one to learn from
    if given and len(shows) < needed:
        problems.append(
            f"of the {len(given)} labelled images {len(shows)} show(s) an object, and {needed} "
            "must to begin with them: the first batch is chosen among all images"
        )
        given = []
    test = list(measured.images) or _draw_test(args, list(paths), given, shows)
    copies = _copies(paths, test)
    problems += [f"{n!r} is a copy of the test image {of!r}: left out" for n, of in copies.items()]
    initial = [name for name in given if name not in {*test, *copies}]
    useful = not shows.isdisjoint(initial)
    return Choice(test, initial if useful else args.initial, list(copies), problems)


def _draw_test(
    args: argparse.Namespace, ids: Sequence[str], given: Sequence[str], shows: set[str]
) -> list[str]:
    share = args.test_share or TEST_SHARE
    if given:
        return split_test(given, share, args.seed, shows)
    # the test images are labelled with the first batch
    number = round(args.initial / (1 - share))
    if args.test_share is None:
        number = max(number, args.initial + min(round(len(ids) * POOL_SHARE), MOST_TEST))
        share = 1 - args.initial / number
    first = split_test(ids, min(number / len(ids), 1), args.seed)
    return split_test(first, share, args.seed)


def _showing(labels: Labels) -> set[str]:
    return {name for name, image in labels.images.items() if image.boxes}


def _copies(paths: dict[str, str], test: Sequence[str]) -> dict[str, str]:
    """The test image whose content another image has, by the id of that."""
    measured = {name: paths[name] for name in test}
    others = {name: path for name, path in paths.items() if name not in measured}
    return {name: of for of, name in shared_images(measured, others)}
