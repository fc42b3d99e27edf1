"""Files that exist whole or not at all."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ads_det.errors import ADSError

_KINDS = {stat.S_IFDIR: "folder", stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}
_KINDS |= dict.fromkeys((stat.S_IFCHR, stat.S_IFBLK), "device")


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

    Raises:
        ADSError: if the disk is full or the folder not writable; ``path`` is then as before.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
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
    return (
        f"{path or 'A file'} cannot be written ({error.strerror}); free space or make the folder "
        "writable, then run the command again with --resume: what was finished is kept."
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
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        why = f"it is a {_KINDS.get(stat.S_IFMT(mode), 'special file')}, no regular file"
        raise OSError(errno.EINVAL, why, os.fspath(path))
    nonblocking = getattr(os, "O_NONBLOCK", 0)  # it may be replaced in between
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | nonblocking))


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Content of a regular file.

    Raises:
        OSError: as in :func:`open_regular`.
    """
    with open_regular(path) as file:
        return file.read()


def write_text(path: Path, text: str) -> None:
    """Atomic UTF-8 text."""
    write_atomic(path, lambda file: file.write(text.encode()))


def write_json(path: Path, content: Any) -> None:
    """Atomic JSON, indented so that people can read it."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """JSON of a state file.

    Raises:
        ADSError: if it cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ADSError(
            f"The state file {path} cannot be read ({error}); restore it or start in another "
            "--work-dir."
        ) from error


def write_ids(path: Path, ids: Iterable[str]) -> None:
    """Atomic list of ids, one a line."""
    write_text(path, "".join(f"{i}\n" for i in ids))


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
    except OSError as error:
        raise ADSError(
            f"The id list {path} cannot be read ({error.strerror}); give the path of a text file "
            "with one id a line."
        ) from error
    except UnicodeDecodeError as error:
        raise ADSError(f"The id list {path} is not UTF-8 text; save it as such.") from error
    ids = [line.strip() for line in text.split("\n") if line.strip()]
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
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise ADSError(
            f"The file {path} cannot be read ({error}); restore it or start in another --work-dir."
        ) from error
