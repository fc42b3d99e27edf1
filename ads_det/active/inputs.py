"""What a cycle trained on, noted so that a resumed run sees when it was changed meanwhile."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ads_det.data.class_folders import ClassFolderDataset
from ads_det.data.image_folder import ImageFolderDataset
from ads_det.data.pool_dataset import PoolDataset
from ads_det.data.voc import VOCDataset
from ads_det.errors import ADSError
from ads_det.files import open_regular, read_bytes, write_text
from ads_det.labels.store import LabelStore
from ads_det.work_files import CycleFiles

_SAMPLE = 4096  # bytes read of a large image in each of three places


def note_inputs(
    files: CycleFiles, images: PoolDataset, ids: Sequence[str], weights: Sequence[Path] = ()
) -> None:
    """Write a checksum of each file of some images, unless weights were trained on them.

    Args:
        files: files of the cycle.
        images: the data set of the pool.
        ids: labelled images.
        weights: files that the training begins with.
    """
    if files.has_weights():
        return
    files.folder.mkdir(parents=True, exist_ok=True)
    shared = [f"{_mark(path)}\t{path}\n" for path in (*weights, *_shared(images))]
    own = [" ".join(_mark(p, _is_whole(p)) for p in paths) + "\n" for paths in _own(images, ids)]
    write_text(files.inputs, "".join([*shared, *own]))


def check_inputs(files: CycleFiles, images: PoolDataset) -> None:
    """Compare the files of a cycle's images with what :func:`note_inputs` wrote, if it did and
    weights were trained on them since: before, nothing depends on what they were.

    Raises:
        ADSError: names the first file that is not as it was.
    """
    if not files.inputs.exists() or not files.has_weights():
        return
    try:
        lines = read_bytes(files.inputs).decode("utf-8").split("\n")[:-1]
    except (OSError, ValueError) as error:
        raise ADSError(f"{files.inputs} cannot be read ({error}); delete it.") from error
    shared = [line.partition("\t") for line in lines if "\t" in line]
    changed = [path for mark, _, path in shared if _mark(path) != mark]
    own = [line.split() for line in lines if "\t" not in line]
    for paths, marks in zip(_own(images, files.labeled()), own):
        changed += [
            path for path, mark in zip(paths, marks) if _mark(path, _is_whole(path)) != mark
        ]
        if changed:
            break
    if changed:
        raise ADSError(
            f"{changed[0]} was changed after {files.folder} had begun to train on it; restore it, "
            f"begin in another --work-dir, or delete {files.inputs} to go on with the new file."
        )


def note_shown(file: Path, paths: Mapping[str, str]) -> None:
    """Write a mark of each image that people are to label.

    Args:
        file: File to write.
        paths: path of each image by its id.
    """
    write_text(file, "".join(f"{_mark(path, False)}\t{name}\n" for name, path in paths.items()))


def check_shown(file: Path, paths: Mapping[str, str], ids: Sequence[str]) -> None:
    """Compare images that have labels now with what :func:`note_shown` wrote, if it did.

    Args:
        file: File of the marks.
        paths: path of each image by its id; those that are gone are passed over.
        ids: labelled images.

    Raises:
        ADSError: names the first image that is another than the one that was labelled.
    """
    if not file.exists():
        return
    try:
        lines = read_bytes(file).decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ADSError(f"{file} cannot be read ({error}); delete it.") from error
    marks = {name: mark for mark, _, name in (line.partition("\t") for line in lines)}
    for name in ids:
        if name in paths and marks.get(name, "") not in ("", _mark(paths[name], False)):
            raise ADSError(
                f"{paths[name]} was changed after it was handed out to be labelled; restore it, or "
                f"delete {file} if the labels are right for the new file."
            )


def _own(images: PoolDataset, ids: Sequence[str]) -> Iterator[list[str]]:
    """The files of each image."""
    if isinstance(images, ClassFolderDataset):
        yield from ([os.path.join(images.data_root, name)] for name in ids)
        return
    if not hasattr(images, "image_paths"):
        return
    paths = images.image_paths()
    for name in ids:
        found = [paths[name]] if name in paths else []
        if isinstance(images, VOCDataset):
            folder, stem = os.path.split(name)
            found.append(os.path.join(images.data_root or "", folder, images.ann_subdir, stem))
            found[-1] += ".xml"
        yield found


def _shared(images: PoolDataset) -> list[Path]:
    """Files that hold the labels of many images."""
    if isinstance(images, ImageFolderDataset):
        return LabelStore(images.labels).files() if images.labels is not None else []
    path = getattr(images, "ann_file", None)
    return [Path(path)] if isinstance(path, str) and Path(path).is_file() else []


def _mark(path: str | Path, whole: bool = True) -> str:
    """8 digits for the content of a file: for all of it or, where it is a large image, its size and
    three places of it. A file that was restored has the mark it had."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            found = zlib.crc32(f"{os.path.basename(path)} {size} ".encode(errors="surrogateescape"))
            if whole or size <= 3 * _SAMPLE:
                while block := file.read(2**20):
                    found = zlib.crc32(block, found)
            else:
                for place in (0, size // 2, size - _SAMPLE):
                    file.seek(place)
                    found = zlib.crc32(file.read(_SAMPLE), found)
    except OSError:
        return "missing"
    return f"{found:08x}"


def _is_whole(path: str | Path) -> bool:
    return os.fspath(path).endswith(".xml")
