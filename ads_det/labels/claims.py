"""Which image of a folder each image of an annotation file is, where both have folders of their
own: names that are equal below different folders are no sign of equal images."""

from __future__ import annotations

import filecmp
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np

from ads_det.errors import ADSError
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.names import USUAL_FOLDERS, ImageNames, normal, stem
from ads_det.labels.sizes import open_upright

_SIDE = 32  # pixels of the reduced images that are compared
_NOISE = 4  # grey levels that compression may change them by, on average


def claimed_images(
    images: Iterable[ImageLabels], paths: Mapping[str, str], source: str, problems: list[str]
) -> list[tuple[str, ImageLabels]]:
    """The images of a file that are in the folder, each with its id.

    Where several names mean one image, the name counts that shares most folders with its path. If
    the images are in ``val``, that is ``val/1.jpg``, not ``train/1.jpg``. A name that leads to
    another image beside the folder of images means that one.

    Args:
        images: content of the file.
        paths: paths of all images, by id.
        source: what messages call the file.
        problems: receives a sentence for each image that is none of the folder.

    Raises:
        ADSError: if a name may mean several images, or several names mean one image and none is
            nearer to it.
    """
    names = ImageNames(paths)
    claims: defaultdict[str, list[ImageLabels]] = defaultdict(list)  # those that say something
    found = []
    for image in images:
        image_id = names.match(image.image)
        other = None if image_id is None else image_elsewhere(image.image, image_id, paths)
        if image_id is None or other is not None:
            where = "" if other is None else f", but {other}"
            problems.append(f"{image.image!r} of {source} is no image of the folder{where}")
            continue
        if image.boxes or image.checked:
            claims[image_id].append(image)
        found.append((image_id, image))
    far: dict[int, str] = {}
    for image_id, several in claims.items():
        if len({image.image for image in several}) > 1:
            far |= dict(_farther(several, paths[image_id], source))
    problems += [
        f"{image.image!r} of {source} was passed over: {far[id(image)]!r} is nearer to {image_id!r}"
        for image_id, image in found
        if id(image) in far
    ]
    return [(image_id, image) for image_id, image in found if id(image) not in far]


def _farther(images: Sequence[ImageLabels], path: str, source: str) -> Iterator[tuple[int, str]]:
    """Of several descriptions of an image those whose name is not the nearest to its path, each
    with the name that is.

    Raises:
        ADSError: if there are several nearest names, with different boxes.
    """
    nearness = {image.image: _nearness(image.image, path) for image in images}
    best = max(nearness.values())
    nearest = [image for image in images if nearness[image.image] == best]
    names = list(dict.fromkeys(image.image for image in nearest))
    if len(names) > 1 and len({image.boxes for image in nearest}) > 1:
        raise ADSError(
            f"{source} has labels of {names[0]!r} and {names[1]!r}, either of which may be the "
            f"image {path}; give the folder that holds both, or only the labels of these images."
        )
    for image in images:
        if nearness[image.image] != best:
            yield id(image), names[0]


def image_elsewhere(name: str, image_id: str, paths: Mapping[str, str]) -> Path | None:
    """The file that a name, or the end of one, leads to from a folder above the images, if that is
    another image. Folders such as ``images``, which any data set may have, lead nowhere."""
    own = Path(paths[image_id])
    folders = [part for part in normal(name).split("/")[:-1] if part != ".."]
    if not folders or _nearness(name, str(own))[1] == 0:
        return None
    root = own.parents[image_id.count("/")]
    ends = [folders[start:] for start in range(len(folders))]  # other machines begin otherwise
    ends = [end for end in ends if not {part.lower() for part in end} <= USUAL_FOLDERS]
    for end, above in ((e, a) for e in ends for a in list(root.parents)[: len(e)]):
        place = above.joinpath(*end, own.name)
        if os.path.isfile(place):
            return place if _shows_another(place, own) else None
    return None


def _shows_another(place: Path, own: Path) -> bool:
    """Whether two files are images of different things; copies may be turned upright, or compressed
    once more."""
    try:
        if place.samefile(own) or filecmp.cmp(place, own, shallow=False):
            return False
        one, other = open_upright(place), open_upright(own)
    except Exception:  # not to be read: what is wrong with it is said where it is used
        return False
    small = [np.asarray(i.convert("L").resize((_SIDE, _SIDE)), float) for i in (one, other)]
    return one.size != other.size or float(np.abs(small[0] - small[1]).mean()) > _NOISE


def _nearness(name: str, path: str) -> tuple[int, int, bool]:
    """How many of the last parts of a name and of a path are the same, but for suffixes; less than
    0 for each other part of the name; and whether the suffix is the same."""
    whole, of_path = (normal(text).split("/")[::-1] for text in (name, path))
    parts, others = (stem(normal(text)).split("/")[::-1] for text in (name, path))
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(parts, others)))
    return same, same - len(parts), whole[0] == of_path[0]
