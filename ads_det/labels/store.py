"""The labels of a project: one COCO file per import; of an image the newest file counts."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from ads_det.errors import ADSError
from ads_det.files import read_bytes, write_text
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.checks import load_json
from ads_det.labels.coco import read_coco, write_coco

# with the names of batches: a data set of others may be called 2007_train.json
_FILE = re.compile(r"(\d{3,})_(given|initial|cycle_\d{2,})\.json")


class LabelStore:
    """A folder of files ``<number>_<batch>.json`` in COCO format.

    Imports are added, never mixed: an image takes its labels from the last file that names it,
    so that the labels of an import go with its file (pool and cycles: ``LabeledRun.undo_import``).

    Args:
        folder: need not exist yet.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def files(self) -> list[Path]:
        """From the oldest to the newest."""
        found = [p for p in self.folder.glob("*.json") if _FILE.fullmatch(p.name)]
        return sorted(found, key=_number)

    def read(self) -> dict[str, ImageLabels]:
        """All labelled images by their id.

        Raises:
            ADSError: if a file is broken.
        """
        return {image.image: image for path in self.files() for image in read_coco(path)}

    def add(
        self,
        images: Sequence[ImageLabels],
        classes: Sequence[str],
        batch: str,
        closed_without: Sequence[str] = (),
    ) -> Path:
        """Write an import, whole or not at all.

        Args:
            images: checked ones only.
            classes: classes of the project.
            batch: what they answer, such as ``'cycle_00'``.
            closed_without: ids of the batch, if it goes on without those that have no label yet.
        """
        files = self.files()
        number = _number(files[-1]) + 1 if files else 0
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{number:03d}_{batch}.json"
        write_coco(
            images, classes, path, dict(closed=_mark(closed_without)) if closed_without else None
        )
        return path

    def is_closed(self, batch: str, ids: Sequence[str]) -> bool:
        """Whether an import said that this batch goes on with what it has.

        Args:
            batch: name of the batch.
            ids: its images: those of another run's batch of this name may be others.
        """
        files = [path for path in self.files() if _batch(path) == batch]
        marks = [(load_json(path).get("info") or {}).get("closed") for path in files]
        return True in marks or _mark(ids) in marks  # the first is of an older version

    def last(self) -> tuple[Path, str]:
        """The newest file and its batch.

        Raises:
            ADSError: if there is none.
        """
        files = self.files()
        if not files:
            raise ADSError(f"{self.folder} holds no labels, so there is no import to undo.")
        return files[-1], _batch(files[-1])

    def set_aside(self, path: Path) -> Path:
        """Take a file out of the labels without deleting it; returns its new place."""
        folder = self.folder / "undone"
        folder.mkdir(exist_ok=True)
        place = free_name(folder / path.name)
        os.replace(path, place)
        return place

    def claim(self, work_dir: str | os.PathLike[str]) -> None:
        """Let one run alone acquire labels for this folder: two would answer each other's batches.

        Raises:
            ADSError: if another run has it.
        """
        file, run = self.folder / "run.txt", str(Path(work_dir).resolve())
        owner = owner_of(self.folder) or run
        if owner != run and Path(owner).exists():
            raise ADSError(
                f"The labels in {self.folder} belong to the run in {owner}; go on with that run, "
                f"make another project, or delete that run."
            )
        if owner != run or not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(file, run + "\n")

    def check_claimed(self, work_dir: Path) -> None:
        """Refuse a folder that no run has claimed, such as the place that a project was moved from.

        Args:
            work_dir: work directory of the run that keeps its labels here.

        Raises:
            ADSError: says where to put the project.
        """
        if not owner_of(self.folder):
            raise ADSError(
                f"{self.folder} has no run.txt that names a run, so it is not where {work_dir} "
                "keeps its labels; put the project back to where it was, or, if it is there, go on "
                "with ads-det run --resume first."
            )


def owner_of(folder: Path) -> str:
    """The run that a folder of labels belongs to; empty without one.

    Raises:
        ADSError: if that cannot be read.
    """
    file = folder / "run.txt"
    try:
        return read_bytes(file).decode("utf-8-sig").strip() if os.path.lexists(file) else ""
    except (OSError, ValueError) as error:
        raise ADSError(f"{file} cannot be read ({error}); delete it.") from error


def free_name(path: Path) -> Path:
    """The path, or the first of ``<name>_2``, ``<name>_3``, ... that does not exist."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return candidate


def _mark(ids: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]


def _number(path: Path) -> int:
    return int(path.name.partition("_")[0])


def _batch(path: Path) -> str:
    return path.stem.partition("_")[2]
