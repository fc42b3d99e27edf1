"""Which image of a folder each image of an annotation file is, where both have folders of their
own: names that are equal below different folders are no sign of equal images."""

from __future__ import annotations

import filecmp
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from ads_det.errors import ADSError
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.names import ImageNames, stem


def claimed_images(
    images: Iterable[ImageLabels], paths: Mapping[str, str], source: str, problems: list[str]
) -> list[tuple[str, ImageLabels]]:
    """The images of a file that are in the folder, each with its id.

    Of several names that mean one image those count that have most folders in common with its
    path: of ``train/1.jpg`` and ``val/1.jpg`` the second, if the images are in ``val``. A name that
    leads to another file beside the folder of images means that file.

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
    claims: defaultdict[str, list[ImageLabels]] = defaultdict(list)
    found = []
    for image in images:
        image_id = names.match(image.image)
        other = None if image_id is None else image_elsewhere(image.image, image_id, paths)
        if image_id is None or other is not None:
            where = "" if other is None else f", but {other}"
            problems.append(f"{image.image!r} of {source} is no image of the folder{where}")
            continue
        claims[image_id].append(image)
        found.append((image_id, image))
    far: set[int] = set()
    for image_id, several in claims.items():
        if len({image.image for image in several}) > 1:
            far |= {id(image) for image in _farther(several, paths[image_id], source)}
    problems += [
        f"{i.image!r} of {source} is no image of the folder" for _, i in found if id(i) in far
    ]
    return [(image_id, image) for image_id, image in found if id(image) not in far]


def _farther(images: Sequence[ImageLabels], path: str, source: str) -> list[ImageLabels]:
    """Those of several descriptions of an image whose name is not the nearest to its path.

    Raises:
        ADSError: if there are several nearest names, with different boxes.
    """
    nearness = {image.image: _nearness(image.image, path) for image in images}
    nearest = [image for image in images if nearness[image.image] == max(nearness.values())]
    first, last = nearest[0], nearest[-1]
    if len({image.image for image in nearest}) > 1 and len({image.boxes for image in nearest}) > 1:
        raise ADSError(
            f"{source} has labels of {first.image!r} and {last.image!r}, either of which may be "
            f"the image {path}; give the folder that holds both, or the labels of one."
        )
    return [image for image in images if image not in nearest]


def image_elsewhere(name: str, image_id: str, paths: Mapping[str, str]) -> Path | None:
    """The file that a name leads to from a folder above the images, if that is another image."""
    own = Path(paths[image_id])
    folders = Path(name.replace("\\", "/")).parts[:-1]
    if not folders or _nearness(name, str(own))[1] == 0:
        return None
    root = own.parents[image_id.count("/")]
    for above in list(root.parents)[: len(folders)]:
        place = above.joinpath(*folders, own.name)
        if place.is_file() and not place.samefile(own):
            return None if filecmp.cmp(place, own, shallow=False) else place
    return None


def _nearness(name: str, path: str) -> tuple[int, int]:
    """How many of the last parts of a name and of a path are the same, but for suffixes, and less
    than 0 for each other part of the name."""
    parts, of_path = (stem(text.replace("\\", "/")).split("/")[::-1] for text in (name, path))
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(parts, of_path)))
    return same, same - len(parts)
