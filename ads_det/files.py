"""Files that exist whole or not at all."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import stat
import sysconfig
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ads_det.errors import ADSError

LONGEST_NAME = 255  # bytes of a name, in usual file systems
_KINDS = {stat.S_IFDIR: "folder", stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}
_KINDS |= dict.fromkeys((stat.S_IFCHR, stat.S_IFBLK), "device")


def shipped(*parts: str) -> Path:
    """A file or folder of the repository that is none of the package: in a checkout at its place,
    else where the installation put it."""
    place = Path(__file__).resolve().parents[1].joinpath(*parts)
    return place if place.exists() else Path(sysconfig.get_path("data"), "share/ads_det", *parts)


def write_atomic(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write to a temporary sibling, flush it to disk, rename it over ``path``.

    Args:
        path: the final name.
        write: called with the open binary file.

    Raises:
        ADSError: if the disk is full or the folder not writable; ``path`` is then as before.
    """
    with replacing(path) as temporary, open(temporary, "wb") as file:
        write(file)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary sibling to write to, which takes the place of ``path`` when the block ends.

    It is made anew: what lies under its name, such as a link to another file, is unlinked.

    Raises:
        ADSError: if the disk is full or the folder not writable; ``path`` is then as before.
    """
    name = path.name
    if len(os.fsencode(name)) > LONGEST_NAME - len("..tmp"):
        name = f"{zlib.crc32(os.fsencode(name)):08x}"
    temporary = path.with_name(f".{name}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)  # makes the rename durable
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ADSError(cannot_write(path, error)) from error


def cannot_write(path: str | os.PathLike[str] | None, error: OSError) -> str:
    """The sentence for a disk that refuses to take something."""
    if error.errno == errno.ENAMETOOLONG:
        name = os.path.basename(os.fspath(path)) if path else "A file"
        return (
            f"{name[:40]}... cannot be written: a file cannot have so long a name "
            f"({len(os.fsencode(name))} bytes); shorten it."
        )
    return (
        f"{path or 'A file'} cannot be written ({error.strerror}); free space or make the folder "
        "writable, then give the command again (a run with --resume keeps what was finished)."
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a file to read, but nothing that may keep its reader waiting for ever.

    Raises:
        OSError: if it cannot be opened, or is a folder, a named pipe, a device or a socket.
    """
    kind = special_kind(path, os.stat(path).st_mode)
    if kind is not None:
        raise OSError(errno.EINVAL, f"it is a {kind}, no regular file", os.fspath(path))
    nonblocking = getattr(os, "O_NONBLOCK", 0)  # it may be replaced in between
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | nonblocking))


def special_kind(path: str | os.PathLike[str], mode: int | None = None) -> str | None:
    """What a path is that exists and is no regular file, such as ``'named pipe'``; else None.

    Args:
        path: Path of a file.
        mode: Its mode, if known.
    """
    try:
        mode = os.stat(path).st_mode if mode is None else mode
    except (OSError, ValueError):  # not there, or no path at all
        return None
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "special file")


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Content of a regular file.

    Raises:
        OSError: as in :func:`open_regular`.
    """
    with open_regular(path) as file:
        return file.read()


def write_text(path: Path, text: str) -> None:
    """Atomic UTF-8 text.

    Raises:
        ADSError: if the disk refuses it, or it holds a name that is no text.
    """
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        words = text[max(error.start - 60, 0) : error.end + 20]
        raise ADSError(
            f"{os.fspath(path)!r} cannot be written: it would hold {words!r}, in which a name of a "
            "file or folder is no UTF-8 text; rename that."
        ) from error
    write_atomic(path, lambda file: file.write(content))


def write_json(path: Path, content: Any) -> None:
    """Atomic JSON, indented so that people can read it."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def parse_json(text: str) -> Any:
    """The content of a JSON text.

    Raises:
        ValueError: if it is none, or gives a key of an object twice; RecursionError: if it is
            nested too deep.
    """
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError(f"the key {first_twice([key for key, _ in pairs])!r} twice in an object")
    return content


def read_json(path: Path) -> Any:
    """JSON of a state file.

    Raises:
        ADSError: if it cannot be read or is no JSON.
    """
    try:
        return parse_json(read_bytes(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ADSError(
            f"The state file {path} cannot be read ({error}); restore it or start in another "
            "--work-dir."
        ) from error


def read_table(path: Path, **fields: Callable[[Any], bool]) -> dict[str, Any]:
    """JSON of a state file that is a table.

    Args:
        path: Path of the file.
        **fields: that it must have, each with the check of its value.

    Raises:
        ADSError: if it cannot be read or is not of this shape; names the field.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise wrong_shape(path, f"it is a {type(content).__name__}, no table")
    for name, check in fields.items():
        if name not in content:
            raise wrong_shape(path, f"it has no `{name}`")
        if not check(content[name]):
            raise wrong_shape(path, f"`{name}` is {repr(content[name])[:60]}")
    return content


def wrong_shape(path: Path, what: str) -> ADSError:
    """The sentence for a state file that holds something else than this project wrote."""
    return ADSError(
        f"The state file {path} is not as ads_det wrote it ({what}); restore it or start in "
        "another --work-dir."
    )


def is_count(value: Any) -> bool:
    """Whether a value of a state file is a whole number that can count or number something."""
    return type(value) is int and 0 <= value < 2**53


def is_number(value: Any) -> bool:
    """Whether it is a number that a calculation can use; a Boolean is none."""
    return type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)


def write_ids(path: Path, ids: Iterable[str]) -> None:
    """Atomic list of ids, one a line."""
    write_text(path, "".join([f"{i}\n" for i in ids]))


def first_twice(values: Sequence[str]) -> str | None:
    """The first value that occurs more than once, or None."""
    if len(set(values)) == len(values):
        return None
    return next(value for value, count in Counter(values).items() if count > 1)


def read_ids(path: str | os.PathLike[str]) -> list[str]:
    """Ids from a UTF-8 text file, one a line; empty lines are skipped.

    Ids may contain spaces, but none at either end.

    Raises:
        ADSError: if the file cannot be read or names an id twice.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise ADSError(f"The id list {path} is not UTF-8 text; save it as such.") from error
        raise ADSError(
            f"The id list {path} cannot be read ({getattr(error, 'strerror', error)}); give the "
            "path of a text file with one id a line."
        ) from error
    ids = [name for line in text.split("\n") if (name := line.strip())]
    twice = first_twice(ids)
    if twice is not None:
        raise ADSError(f"The id list {path} names {twice!r} twice; keep one of the two lines.")
    return ids


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Atomic CSV."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, buffer.getvalue())


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV by column name.

    Raises:
        ADSError: if it cannot be read.
    """
    try:
        text = read_bytes(path).decode("utf-8")
        return list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, ValueError, csv.Error) as error:
        raise ADSError(
            f"The file {path} cannot be read ({error}); restore it or start in another --work-dir."
        ) from error
