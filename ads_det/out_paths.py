"""Where a command may write."""

from __future__ import annotations

from pathlib import Path

from ads_det.errors import ADSError
from ads_det.work_files import RunFiles


def check_outside(out: Path, images: Path) -> None:
    """Refuse to write among the images.

    Raises:
        ADSError: if ``out`` is the folder of images or lies in it.
    """
    if images.resolve() in [out.resolve(), *out.resolve().parents]:
        raise ADSError(
            f"--out {out} lies in the folder of images, whose pictures would mix; choose a folder "
            "elsewhere."
        )


def check_no_run(option: str, out: Path) -> None:
    """Refuse to write into a run, or into a part of one.

    Raises:
        ADSError: if ``out`` is the work directory of a run, or a part of one.
    """
    if RunFiles(out).pool.exists():
        raise _of_a_run(option, out)
    check_no_part(option, out)


def check_no_part(option: str, out: Path) -> None:
    """Refuse to write into a part of a run.

    Raises:
        ADSError: if ``out`` is or lies in the folder of a batch or cycle.
    """
    out = out.resolve()
    for folder in (out, *out.parents):
        run = RunFiles(folder.parent)
        if run.pool.exists() and folder in (run.initial.folder, *_cycles(run)):
            raise _of_a_run(option, out)


def check_file(option: str, out: Path, suffix: str, *read: Path) -> None:
    """Refuse to write over a file that somebody needs.

    Args:
        option: name of the option.
        out: File to write; it may exist, from an earlier call, if it ends in ``suffix``.
        suffix: what the name of such a file ends in.
        read: files that the command reads.

    Raises:
        ADSError: if ``out`` is a folder or one of those, lies in a run, or exists and is of another
            kind.
    """
    if out.is_dir():
        raise ADSError(f"{option} {out} is a folder; name a file to write.")
    check_no_run(option, out.resolve().parent)
    if out.exists() and any(out.samefile(path) for path in read):
        raise ADSError(f"{option} {out} is read by this very command; choose another file.")
    if out.exists() and out.suffix != suffix:
        raise ADSError(f"{option} {out} exists and is no {suffix} file; choose another file.")


def _cycles(run: RunFiles) -> list[Path]:
    return [cycle.folder for cycle in run.cycles().values()]


def _of_a_run(option: str, out: Path) -> ADSError:
    return ADSError(
        f"{option} {out} is of a run, whose files would be overwritten; choose another place."
    )
