"""One run at a time in a work directory."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from pathlib import Path
from typing import IO

from ads_det.errors import ADSError

_UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


def lock_folder(folder: Path, option: str = "--work-dir") -> IO[str]:
    """Lock a folder for this process until the file returned is closed or the process ends.

    The lock is the operating system's (POSIX record lock on ``.lock``), so a dead process does
    not keep it, nor do loader workers that outlive it for some seconds, as they would with
    ``flock``. On file systems without locks nothing is locked.

    Args:
        folder: an existing one.
        option: what names it on the command line.

    Raises:
        ADSError: if another process has it; names the process. Or if ``.lock`` is a link
            or no regular file.
    """
    path = folder / ".lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if path.is_symlink():
            raise ADSError(f"{path} is a link to another file; delete the link.") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ADSError(f"{path} is no regular file; delete it.")
    file = open(descriptor, "a+", encoding="utf-8", errors="replace")  # noqa: SIM115 - kept open
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return file
        file.seek(0)
        owner = file.read().strip() or "another process"
        file.close()
        raise ADSError(
            f"{folder} is in use by {owner}; wait for its end, or choose another {option}."
        ) from error
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    return file
