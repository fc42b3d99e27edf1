"""Labels in whatever format a file or folder has."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory

from ads_det.errors import ADSError
from ads_det.files import first_twice, open_regular, read_bytes
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.checks import cannot_read, files_below, is_litter, load_json
from ads_det.labels.coco import read_coco
from ads_det.labels.cvat import read_cvat
from ads_det.labels.label_studio import read_label_studio
from ads_det.labels.sizes import upright_size
from ads_det.labels.store import LabelStore
from ads_det.labels.voc import read_voc
from ads_det.labels.xml import root_tag
from ads_det.labels.yolo import is_yolo_folder, read_yolo

_LABEL_SUFFIXES = (".xml", ".json", ".txt", ".names", ".labels", ".yaml", ".yml")
_OF_TASKS = (b'"data"', b'"annotation_id"', b'"original_width"')
_MARKS = {  # first bytes of files that hold labels in a form that is not read
    b"\xff\xfe": "is UTF-16 or UTF-32 text; save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text; save it as UTF-8",
    b"\x1f\x8b": "is a gzip archive; extract it and give what it holds",
    b"PK": "is a damaged ZIP archive, perhaps cut short; download or export it again",
}
_BOMB, _MOST_PACKED = 2**26, 100  # bytes from which on a ratio is suspect, and this ratio
_MAX_BYTES = 2**31  # of the label files of an archive: COCO's train2017 has 448 MB


def detect_format(path: str | os.PathLike[str]) -> str:
    """``'coco'``, ``'label_studio'``, ``'cvat'``, ``'voc'``, ``'yolo'``, or ``'project'`` for the
    labels of a project, by the content.

    Raises:
        ADSError: if it is none of them or cannot be read.
    """
    with _opened(Path(path)) as place:
        return _find(place)[0]


def read_labels(
    path: str | os.PathLike[str],
    classes: Sequence[str] = (),
    paths: Mapping[str, str | os.PathLike[str]] | None = None,
) -> list[ImageLabels]:
    """The labels of a file, a folder or a ZIP archive of either.

    Args:
        classes: what YOLO's numbers mean, if the folder does not say.
        paths: paths of all images, by id. YOLO needs them, as its boxes are parts of the images;
            what VOC and Label Studio say of an image is weighed against the ids.

    Raises:
        ADSError: if the format is unknown or something is not as it wants it.
    """
    path = Path(path)
    with _opened(path) as place:
        kind, found = _find(place)
        known = {} if paths is None else paths
        if kind == "yolo":
            return read_yolo(
                found,
                classes,
                lambda image: upright_size(known[image]),
                known,
                levels=2 if place == path else 0,  # above an extracted archive are others' files
                shown=path,
            )
        if kind == "project":
            return list(LabelStore(found).read().values())
        if kind in ("voc", "label_studio"):
            return (read_voc if kind == "voc" else read_label_studio)(found, known)
        return (read_coco if kind == "coco" else read_cvat)(found)


@contextmanager
def _opened(path: Path) -> Iterator[Path]:
    """The path itself, or a folder with the label files of the archive that it is."""
    if path.is_dir():
        yield path
        return
    try:
        with open_regular(path) as file:
            is_archive = zipfile.is_zipfile(file)
    except OSError as error:
        raise ADSError(cannot_read(path, error)) from error
    if not is_archive:
        yield path
        return
    with TemporaryDirectory() as temporary:
        try:
            _extract(path, Path(temporary))
            yield Path(temporary)
        except ADSError as error:  # name what the user knows
            raise type(error)(str(error).replace(temporary, str(path))) from error


def _extract(path: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if _is_wanted(info)]
            for info in members:
                parts = PureWindowsPath(info.filename)
                if parts.root or parts.drive or ".." in parts.parts:
                    raise ADSError(
                        f"{path} has a file {info.filename!r}, which leads out of the archive; "
                        "pack it again."
                    )
                info.filename = parts.as_posix()  # some archives have backslashes
            twice = first_twice([info.filename for info in members])
            if twice is not None:
                raise ADSError(f"{path} has two files {twice!r}; keep one of them.")
            size = sum(info.file_size for info in members)
            if size > _BOMB and size > _MOST_PACKED * sum(info.compress_size for info in members):
                raise ADSError(
                    f"{path} would grow to {size // 2**20} MiB, more than {_MOST_PACKED} times its "
                    "size, as no labels do; export it again, or extract it and give the folder."
                )
            if size > _MAX_BYTES:
                raise ADSError(
                    f"{path} has more than {_MAX_BYTES // 2**30} GiB of label files; extract it "
                    "and give the folder."
                )
            archive.extractall(folder, members)
    except OSError as error:
        raise ADSError(
            f"{path} cannot be extracted ({error.strerror}); extract it and give the folder."
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise ADSError(
            f"{path} is a damaged or encrypted archive ({error}); export it again."
        ) from error


def _is_wanted(info: zipfile.ZipInfo) -> bool:
    name = PureWindowsPath(info.filename)  # takes both kinds of slashes
    return name.suffix.lower() in _LABEL_SUFFIXES and not is_litter(name.parts)


def _find(path: Path) -> tuple[str, Path]:
    """The format, and the file or folder to read."""
    if path.is_dir():
        if LabelStore(path).files():
            return "project", path
        several = [one for one in (_find_xml(path), _find_json(path)) if one is not None]
        several += [("yolo", path)] if is_yolo_folder(path) else []
        if len(several) > 1:
            raise ADSError(
                f"{path} holds labels in several formats ({', '.join(kind for kind, _ in several)})"
                ", of which only one could be taken; give the file or folder of one of them."
            )
        found = several[0] if several else None
    else:
        kind = _kind_of_file(path)
        found = None if kind is None else (kind, path)
    if found is None:
        for file in files_below(path, ".json") if path.is_dir() else [path]:
            _check_text(file)
        raise ADSError(
            f"{path} holds no labels in a format that is known; give a COCO or Label Studio JSON "
            "file, a CVAT XML file, a folder of VOC XML or YOLO text files, or a ZIP archive of "
            "one of these."
        )
    return found


def _find_xml(folder: Path) -> tuple[str, Path] | None:
    files = []
    for file in files_below(folder, ".xml"):
        kind = _kind_of_file(file)
        if kind == "voc":
            return kind, folder
        files += [file] if kind == "cvat" else []
    return ("cvat", _only(files, folder)) if files else None


def _find_json(folder: Path) -> tuple[str, Path] | None:
    kinds = {file: _kind_of_file(file) for file in files_below(folder, ".json")}
    files = [file for file, kind in kinds.items() if kind is not None]
    if not files:
        return None
    file = _only(files, folder)
    return str(kinds[file]), file


def _only(files: Sequence[Path], folder: Path) -> Path:
    if len(files) > 1:
        raise ADSError(
            f"{folder} holds {len(files)} files of labels, such as {files[0]} and {files[1]}; "
            "give one of them."
        )
    return files[0]


def _kind_of_file(path: Path) -> str | None:
    """The format of a single file, or None; the beginning decides."""
    try:
        content = read_bytes(path)
    except OSError as error:
        raise ADSError(cannot_read(path, error)) from error
    start = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"[":
        return "label_studio" if any(key in content for key in _OF_TASKS) else None
    if start == b"{":
        return "coco" if b'"images"' in content else None
    if start == b"<" or path.suffix.lower() == ".xml":
        return {"annotations": "cvat", "annotation": "voc"}.get(root_tag(path))
    return None


def _check_text(file: Path) -> None:
    """Refuse a file of an unknown format for what keeps it from being read at all.

    Raises:
        ADSError: names the reason.
    """
    try:
        content = read_bytes(file)
    except OSError as error:
        raise ADSError(cannot_read(file, error)) from error
    for mark, reason in _MARKS.items():
        if content.startswith(mark):
            raise ADSError(f"{file} {reason}.")
    if b"\0" in content[:8] and file.suffix.lower() in _LABEL_SUFFIXES:
        raise ADSError(f"{file} is no UTF-8 text; save it as UTF-8.")
    if content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{"):
        load_json(file)
