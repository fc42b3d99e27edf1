"""What is kept of an error that nobody foresaw, and what is said of one that the machine caused."""

from __future__ import annotations

import os
import platform
import re
import sys
import sysconfig
import tempfile
import time
import traceback
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

STATUS = 70  # of a command that ended by an error of its own (EX_SOFTWARE of sysexits.h)

_PACKAGES = ("ads_det", "torch", "torchvision", "numpy", "onedl-mmengine", "mmengine")
_PACKAGES += ("onedl-mmcv", "mmcv", "onedl-mmdetection", "mmdet", "pillow", "opencv-python")
_INSTALLED = {"site-packages", "dist-packages"}  # folders of packages
_MODULES = {*_PACKAGES, "PIL", "cv2", "torchgen", *sys.stdlib_module_names} - {"ads_det"}
_ON = "correct that and run the command again with --resume: what was finished is kept."
_WORKER = (
    "A process that loads images was ended from outside, as happens when memory runs short; lower "
    "the loaders' num_workers, then run again with --resume: what was finished is kept."
)
_SHARE = "multiprocessing/resource_sharer.py"  # by which processes get each other's tensors
# messages of torch and the operating system, and what to do about them
_CAUSED = (
    (
        r"DataLoader worker .*(killed|exited unexpectedly)|unable to open shared memory",
        _WORKER,
    ),
    (
        r"DataLoader timed out",
        "A process that loads images gave none for the loader's `timeout`; see that the disk "
        "answers and no process is stopped, then run again with --resume: what was finished is "
        "kept.",
    ),
    (r"out of memory|can't allocate memory", f"The memory does not suffice for this batch; {_ON}"),
    (
        r"Too many open files",
        f"Too many files are open; raise `ulimit -n` or lower num_workers; {_ON}",
    ),
)


def outer_cause(error: BaseException) -> str | None:
    """The sentence for an error that lies with the machine, not in the program; else None."""
    if isinstance(error, MemoryError):
        return f"The memory does not suffice; {_ON}"
    text = str(error)
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, (OSError, EOFError)) and any(f.filename.endswith(_SHARE) for f in frames):
        return _WORKER  # it was to hand over a tensor
    if isinstance(error, (RuntimeError, OSError)):
        return next((said for sign, said in _CAUSED if re.search(sign, text)), None)
    return None


def outer_file(error: BaseException) -> str | None:
    """File, line and function of a user's own module in which an error arose; else None.

    The innermost frame counts that is neither Python's own nor of an installed package. Of an error
    in a process that loads images only what torch raises anew is known.
    """
    own = os.path.dirname(os.path.realpath(__file__)) + os.sep
    library = os.path.realpath(sysconfig.get_path("stdlib")) + os.sep
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        name = str(frame.f_globals.get("__name__")).partition(".")[0]
        path = os.path.realpath(frame.f_code.co_filename)
        if name == "ads_det" or path.startswith(own):
            return None
        installed = path.startswith(library) or _INSTALLED & {*path.split(os.sep)}
        if not (name in _MODULES or installed or not os.path.isfile(path)):
            return f"{frame.f_code.co_filename}, line {line}, in {frame.f_code.co_name}"
    return None


def keep(error: BaseException, command: Iterable[str], config: Any = None) -> Path | None:
    """Write all that explains an error to a new file.

    Args:
        error: with its traceback.
        command: words of the command line.
        config: path of the config, if there was one; its text is kept.

    Returns:
        The file: in the temporary folder, else in the current one; None if neither takes it.
    """
    parts = [
        f"command: {' '.join(map(str, command))}",
        f"python {sys.version}",
        platform.platform(),
        *_versions(),
        "".join(traceback.format_exception(error)),
        f"--- config {config}\n{_text(config)}" if config is not None else "",
    ]
    data = "\n".join(parts).encode("utf-8", "backslashreplace")
    name = f"ads_det_crash_{time.strftime('%Y%m%d_%H%M%S')}_"
    for find in (tempfile.gettempdir, os.getcwd):
        try:
            folder = find()
            descriptor, path = tempfile.mkstemp(".txt", name, folder)
            with open(descriptor, "wb") as file:
                file.write(data)
        except OSError:
            continue
        return Path(path)
    return None


def _versions() -> Iterable[str]:
    for name in _PACKAGES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue


def _text(config: Any) -> str:
    try:
        return Path(config).read_text(encoding="utf-8", errors="replace")
    except (OSError, TypeError, ValueError) as error:
        return f"cannot be read: {error}"
