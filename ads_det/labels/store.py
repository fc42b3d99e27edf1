"""The labels of a project: one COCO file an import, the last word counts."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ads_det.errors import ADSError
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.coco import read_coco, write_coco


class LabelStore:
    """A folder of files ``<number>_<batch>.json`` in COCO format.

    Imports are added, never mixed: an image takes its labels from the last file that names it,
    so that deleting the last file undoes the last import.

    Args:
        folder: need not exist yet.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def files(self) -> list[Path]:
        """From the oldest to the newest."""
        numbered = re.compile(r"\d{3,}_[\w.-]+\.json")
        found = [p for p in self.folder.glob("*.json") if numbered.fullmatch(p.name)]
        return sorted(found, key=lambda path: int(path.name.partition("_")[0]))

    def read(self) -> dict[str, ImageLabels]:
        """All labelled images by their id.

        Raises:
            ADSError: if a file is broken.
        """
        return {image.image: image for path in self.files() for image in self.read_file(path)}

    def read_file(self, path: Path) -> list[ImageLabels]:
        """The images of one import."""
        return read_coco(path)

    def add(self, images: Sequence[ImageLabels], classes: Sequence[str], batch: str) -> Path:
        """Write an import, whole or not at all.

        Args:
            images: checked ones only.
            classes: of the project.
            batch: what they answer, such as ``'cycle_00'``.
        """
        files = self.files()
        number = int(files[-1].name.partition("_")[0]) + 1 if files else 0
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{number:03d}_{batch}.json"
        write_coco(images, classes, path)
        return path

    def last(self) -> tuple[Path, str]:
        """The newest file and its batch.

        Raises:
            ADSError: if there is none.
        """
        files = self.files()
        if not files:
            raise ADSError(f"{self.folder} holds no labels, so there is no import to undo.")
        return files[-1], files[-1].stem.partition("_")[2]
