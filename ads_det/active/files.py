"""Files that exist whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from ads_det.errors import ADSError


def write_atomic(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write to a temporary sibling, flush it to disk, rename it over ``path``.

    Args:
        path: the final name.
        write: called with the open binary file.

    Raises:
        ADSError: if the disk is full or the folder not writable; ``path`` is then as before.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ADSError(
            f"{path} cannot be written ({error.strerror}); free space or make the folder "
            "writable, then start again with --resume."
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Atomic CSV."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, buffer.getvalue())


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV by column name."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
