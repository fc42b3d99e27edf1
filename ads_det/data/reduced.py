"""Images of which a training sees less than their files hold."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from ads_det.console import say_once
from ads_det.files import open_regular
from ads_det.labels.sizes import read_upright

_SUFFIXES = (".png", ".tif", ".tiff", ".webp")  # of formats that may hold more
_LOOKED_AT, _DECODED = 500, 20  # images of a folder
_DARK = 64  # of 255, which ordinary images reach
_TIFF_BITS = 258  # tag: bits of each channel


def find_reduced(paths: Mapping[str, str]) -> list[str]:
    """What is lost of the images of a folder, one sentence for each kind of loss.

    Args:
        paths: paths of images that can be read, by id; of many a part is looked at.
    """
    candidates = [name for name in paths if name.lower().endswith(_SUFFIXES)]
    looked_at = candidates[:: len(candidates) // _LOOKED_AT + 1]
    facts = {name: _facts(paths[name]) for name in looked_at}
    paged = [name for name, (pages, _) in facts.items() if pages > 1]
    deep = [name for name, (_, bits) in facts.items() if bits == 16]
    found = []
    if paged:
        found.append(
            f"{len(paged)} image(s), such as {paged[0]!r}, have several pages or frames, of which "
            "only the first is used: write each into a file of its own"
        )
    decoded = {name: read_upright(paths[name]) for name in deep[:: len(deep) // _DECODED + 1]}
    brightest = {name: int(p.max()) for name, p in decoded.items() if p is not None}
    dark = [name for name, most in brightest.items() if most < _DARK]
    if dark and 2 * len(dark) >= len(brightest):  # one of many may show the night
        found.append(
            f"{len(deep)} image(s), such as {dark[0]!r}, have 16 bits, of which the upper 8 are "
            f"used: at most {max(brightest[name] for name in dark)} of 255 in {len(dark)} of "
            f"{len(brightest)} that were decoded, nearly black; stretch them to all 16 bits, or "
            "convert them to 8"
        )
    return found


def say_reduced(paths: Mapping[str, str]) -> None:
    """Warn of what :func:`find_reduced` finds."""
    for sentence in find_reduced(paths):
        say_once(f"WARNING: {sentence}.")


def _facts(path: str) -> tuple[int, int]:
    """Number of pages or frames, and bits of a channel; 1 and 8 of what cannot be read."""
    try:
        with open_regular(path) as file:
            head = file.read(25)
        with open_regular(path) as file, Image.open(file) as image:
            pages = int(getattr(image, "n_frames", 1))
            if image.format == "PNG":
                return pages, head[24]
            tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
            return pages, int(tags.get(_TIFF_BITS, (8,))[0])
    except Exception:  # Pillow's plug-ins raise whatever they like
        return 1, 8
