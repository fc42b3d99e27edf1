"""Which image a file of another tool means."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from urllib.parse import parse_qs, unquote, urlsplit

from ads_det.errors import ADSError

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
_UPLOAD = re.compile(r"/?data/upload/(?:\d+/)?(?:[0-9a-f]{8}-)?(.+)")
USUAL_FOLDERS = {"annotations", "labels", "jpegimages", "images"}


def stem(name: str) -> str:
    """A name without the suffix of an image; other dots are part of it (``frame.0001``)."""
    base, dot, suffix = name.rpartition(".")
    return base if dot + suffix.lower() in _SUFFIXES else name


def names_in_address(url: str) -> list[str]:
    """The names that an address may give an image, the most likely first. The last is not cut,
    because the beginning of a name may be the name of another image, but for the suffix."""
    scheme, mark, rest = url.partition("://")
    if mark and scheme not in ("http", "https"):  # of a cloud: keys are not encoded
        name = rest.partition("/")[2].lstrip("/")
        return [name, unquote(name)]
    parts = urlsplit(url)
    if parts.path.rstrip("/").endswith("data/local-files"):
        name = parse_qs(parts.query)["d"][0].lstrip("/")
        return [name, unquote(url.partition("?d=")[2]).lstrip("/") or name]
    found = [unquote(parts.path)]
    if not mark and not url.startswith("/"):  # no address, but a path
        found.insert(0, url)
    end = "".join(sign + t for sign, t in (("?", parts.query), ("#", parts.fragment)) if t)
    found += [found[-1] + end.replace("/", "%2F")] if end else []
    uploads = (_UPLOAD.fullmatch(name) for name in found)
    return [u[1] if u else name.lstrip("/") for u, name in zip(uploads, found)]


class ImageNames:
    """Ids of images, found by names that other tools give them.

    Tools leave out folders above the image, put their own before it, or omit the suffix.

    Args:
        ids: ids of all images that a name may mean.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = set(ids)
        self._whole = _Paths((normal(i), i) for i in self._ids)
        self._stems = _Paths((stem(normal(i)), i) for i in self._ids)

    @cached_property
    def _bare(self) -> _Paths:
        return _Paths((_bare(normal(i)), i) for i in self._ids)

    @cached_property
    def _bare_stems(self) -> _Paths:
        return _Paths((stem(_bare(normal(i))), i) for i in self._ids)

    def match(self, name: str) -> str | None:
        """The id that a name means, or None.

        Raises:
            ADSError: if it may mean several.
        """
        found = self.find(name)
        if len(found) > 1:
            first, second = sorted(found)[:2]
            raise ADSError(
                f"The name {name!r} may mean the image {first!r} or {second!r}; write the "
                "path relative to the folder of images, with its suffix."
            )
        return found.pop() if found else None

    def find(self, name: str) -> set[str]:
        """The ids that a name may mean.

        The first of these that holds for any id decides: it is the name; the last parts of its
        path are the name, or the last parts of the name are the id, as many as possible; the same
        without the ids' suffixes, then without any; it is the name but for folders such as
        ``labels`` and ``images``.
        """
        spelt = normal(name)
        bare = _bare(spelt)
        return (
            self.find_whole(name)
            or self._stems.find(spelt)
            or self._stems.find(stem(spelt))
            or self._bare.same(bare)
            or self._bare_stems.same(stem(bare))
        )

    def find_whole(self, name: str) -> set[str]:
        """The ids that a name with its suffix may mean, with all folders."""
        return {name} if name in self._ids else self._whole.find(normal(name))

    def exact(self, name: str) -> str | None:
        """The id that is the name, but for slashes and the form of accents, or None."""
        found = {name} if name in self._ids else self._whole.same(normal(name))
        return found.pop() if len(found) == 1 else None

    def closest(self, name: str) -> set[str]:
        """The ids that share most of the last parts of a name, at least one; without suffixes, if
        none has the suffix."""
        spelt = normal(name)
        return self._whole.closest(spelt) or self._stems.closest(stem(spelt))

    def closest_to_file(self, name: str) -> set[str]:
        """The same for the path of a file that may be named after an image with or without its
        suffix; ``name`` lacks the file's own suffix."""
        spelt = normal(name)
        return self._whole.closest(spelt) | self._stems.closest(spelt)


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

    def find(self, name: str) -> set[str]:
        """Ids whose path is the name; if there is none, those whose path ends in the name and
        those whose path is the longest end of the name."""
        longest = next((self._whole[end] for end in _ends(name) if end in self._whole), set())
        return self.same(name) or longest | self._ends.get(name, set())

    def closest(self, name: str) -> set[str]:
        """Ids whose path shares the longest end with the name."""
        for end in (name, *_ends(name)):
            found = self.same(end) | self._ends.get(end, set())
            if found:
                return found
        return set()


def _ends(path: str) -> Iterator[str]:
    """``b/c`` and ``c`` of ``a/b/c``."""
    while "/" in path:
        path = path.partition("/")[2]
        yield path


def normal(name: str) -> str:
    """One spelling of a path: slashes of any system, accents as macOS or others store them."""
    parts = unicodedata.normalize("NFC", name).replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def _bare(path: str) -> str:
    """A path without the folders that data sets keep images and labels in."""
    *folders, last = path.split("/")
    return "/".join([f for f in folders if f.lower() not in USUAL_FOLDERS] + [last])
