"""Which images there are, and which can be read."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import mmcv
from PIL import Image

from ads_det.console import progress_bar, say_once
from ads_det.errors import ADSError
from ads_det.files import open_regular
from ads_det.garbage import uncollected
from ads_det.labels.checks import is_litter
from ads_det.labels.sizes import read_upright

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
_OTHER_SUFFIXES = (".heic", ".heif", ".avif", ".gif", ".jfif", ".jp2", ".jxl", ".dng", ".cr2")
_OTHER_SUFFIXES += (".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".psd", ".ppm", ".pgm")
# folders of storage devices and systems, whose images are thumbnails or deleted
_OF_SYSTEMS = ("@eadir", "#recycle", "@recycle", "$recycle.bin", "system volume information")
_READ_BY_OPENCV = ("JPEG", "MPO", "PNG", "BMP", "WEBP")  # of others, such as TIFF, a part
_THREADS = 4
_DECODED = 500  # images; of more only those that are not plainly whole
_WHOLE = ((b"\xff\xd8\xff", b"\xff\xd9"), (b"\x89PNG\r\n\x1a\n", b"IEND"))  # beginning, end
_END = 4096  # bytes, in which some cameras write something behind the image


@uncollected()
def list_images(
    folder: str | os.PathLike[str], suffixes: tuple[str, ...] = IMAGE_SUFFIXES
) -> dict[str, str]:
    """Path of every image below a folder by its relative path, sorted.

    Links to folders are followed. Files and folders whose name begins with a dot are left out, and
    so are those that systems add for thumbnails, deleted files and the like.

    Args:
        folder: Folder of the images.
        suffixes: ends of their names, in small letters.

    Raises:
        ADSError: if there is no such folder, a part of it cannot be listed, or a name could not
            stand in a list of names.
    """
    root = Path(folder)
    if root.exists() and not root.is_dir():
        raise ADSError(f"{root} is a file, where a folder of images is wanted; name the folder.")
    if not root.is_dir():
        raise ADSError(f"The image folder {root} does not exist; name one that does.")
    paths: dict[str, str] = {}
    others: list[str] = []
    seen: set[str] = set()  # a link may lead back
    beginning = len(os.path.join(root, ""))
    for place, subfolders, files in os.walk(root, onerror=_refuse, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not is_left_out(name))
        if os.path.realpath(place) in seen:
            subfolders[:] = []
            continue
        seen.add(os.path.realpath(place))
        # a million names: whatever is the same for all of a folder is done once
        prefix = os.path.join(place, "")
        relative = prefix[beginning:].replace(os.sep, "/")
        for name in files:
            small = name.lower()
            if small.endswith(suffixes):
                if name[0] != ".":
                    paths[relative + name] = prefix + name
            elif small.endswith(_OTHER_SUFFIXES):
                others.append(name)
    odd = next((n for n in paths if not n.isprintable() or n[-1].isspace() or n[0].isspace()), None)
    if odd is not None:
        odd = next((n for n in paths if n != n.strip() or not is_text(n)), None)
    if odd is not None:
        raise ADSError(
            f"The image {odd!r} in {root} has a blank at the end of its name or a character that "
            "cannot be printed, so no list of images can hold it; rename it."
        )
    if others:
        kinds = ", ".join(sorted({Path(name).suffix for name in others}))
        say_once(
            f"{len(others)} file(s) in {root} are images of kinds that are not read ({kinds}), "
            f"such as {others[0]}, and are passed over; convert them to JPEG or PNG."
        )
    return dict(sorted(paths.items()))


def is_left_out(folder: str) -> bool:
    """Whether a folder of this name belongs to a system, or is hidden."""
    return is_litter([folder]) or folder.lower() in _OF_SYSTEMS


def is_text(name: str) -> bool:
    """Whether no character of it is a control character, ends a line, or is no text at all."""
    odd = ("Cc", "Cs", "Zl", "Zp")
    return name.isprintable() or not any(unicodedata.category(c) in odd for c in name)


def _refuse(error: OSError) -> None:
    raise ADSError(f"{error.filename} cannot be listed ({error.strerror}); make it readable.")


def why_unreadable(path: str) -> str | None:
    """Why an image file cannot be decoded to its end, or None if it can.

    A JPEG is decoded at an eighth of its size, which reads all of it in a fraction of the time.
    OpenCV, which loads the images to train on, decodes what Pillow reads but it may not.
    """
    try:
        with open_regular(path) as file, Image.open(file) as image:
            image.draft(None, (1, 1))
            image.load()
            kind = image.format
    except OSError as error:
        return error.strerror or str(error).partition(" <_io")[0]
    except Exception as error:  # Pillow's plug-ins raise whatever they like
        return str(error) or type(error).__name__
    if kind not in _READ_BY_OPENCV and read_upright(path) is None:
        return f"OpenCV, which loads the images, does not read its format, {kind}"
    return None


def why_cut_off(path: str) -> str | None:
    """As :func:`why_unreadable`, but of a JPEG or PNG that has its beginning and its end the rest
    is believed, which takes a hundredth of the time."""
    begin = end = b""
    with suppress(OSError):
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would be waited for
        try:
            state = os.fstat(number)
            if stat.S_ISREG(state.st_mode):
                begin = os.pread(number, 8, 0)
                end = os.pread(number, _END, max(state.st_size - _END, 0))
        finally:
            os.close(number)
    whole = any(begin.startswith(first) and last in end for first, last in _WHOLE)
    return None if whole else why_unreadable(path)


def find_unreadable(paths: Mapping[str, str]) -> dict[str, str]:
    """Ids of the images that cannot be read, with the reason.

    Args:
        paths: path of each image by its id. Of more than 500 those that are whole files are
            believed: one that is damaged inside shows when it is loaded.
    """
    if len(paths) > _DECODED:
        reasons = progress_bar(map(why_cut_off, paths.values()), "check images", total=len(paths))
        return {name: why for name, why in zip(paths, reasons, strict=True) if why}
    with ThreadPoolExecutor(_THREADS) as threads:
        reasons = progress_bar(
            threads.map(why_unreadable, paths.values()), "check images", total=len(paths)
        )
        return {name: why for name, why in zip(paths, reasons, strict=True) if why}


def loader_refuses(path: str) -> bool:
    """Whether a pipeline that failed has the image to blame."""
    if why_unreadable(path):
        return True
    try:
        return mmcv.imread(path) is None
    except Exception:
        return True
