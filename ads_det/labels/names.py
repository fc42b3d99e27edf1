"""Which image a file of another tool means."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator

from ads_det.errors import ADSError

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def stem(name: str) -> str:
    """A name without the suffix of an image; other dots are part of it (``frame.0001``)."""
    base, dot, suffix = name.rpartition(".")
    return base if dot + suffix.lower() in _SUFFIXES else name


class ImageNames:
    """Ids of images, found by names that other tools give them.

    Tools leave out folders above the image, put their own before it, or omit the suffix.

    Args:
        ids: ids of all images that a name may mean.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = set(ids)
        self._whole = _Paths((_normal(i), i) for i in self._ids)
        self._stems = _Paths((stem(_normal(i)), i) for i in self._ids)

    def match(self, name: str) -> str | None:
        """The id that a name means, or None.

        The first of these that holds for any id decides: it is the name; the last parts of its
        path are the name, or the last parts of the name are the id; the same without suffixes.

        Raises:
            ADSError: if it holds for several ids.
        """
        if name in self._ids:
            return name
        normal = _normal(name)
        for found in (
            self._whole.same(normal),
            self._whole.related(normal),
            self._stems.same(stem(normal)),
            self._stems.related(stem(normal)),
        ):
            if len(found) > 1:
                first, second = sorted(found)[:2]
                raise ADSError(
                    f"The name {name!r} may mean the image {first!r} or {second!r}; write the "
                    "path relative to the folder of images, with its suffix."
                )
            if found:
                return found.pop()
        return None


class _Paths:
    """Ids by their paths and by the ends of these."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._whole: dict[str, set[str]] = defaultdict(set)
        self._ends: dict[str, set[str]] = defaultdict(set)
        for path, image in pairs:
            self._whole[path].add(image)
            for end in _ends(path):
                self._ends[end].add(image)

    def same(self, name: str) -> set[str]:
        """Ids whose path is the name."""
        return set(self._whole.get(name, ()))

    def related(self, name: str) -> set[str]:
        """Ids whose path ends in the name, or whose path is an end of the name."""
        found = set(self._ends.get(name, ()))
        for end in _ends(name):
            found |= self._whole.get(end, set())
        return found


def _ends(path: str) -> Iterator[str]:
    """``b/c`` and ``c`` of ``a/b/c``."""
    while "/" in path:
        path = path.partition("/")[2]
        yield path


def _normal(name: str) -> str:
    """One spelling of a path: slashes of any system, accents as macOS or others store them."""
    parts = unicodedata.normalize("NFC", name).replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))
