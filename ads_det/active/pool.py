"""Which images are labelled, since when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ads_det.errors import ADSError
from ads_det.files import read_json, write_text
from ads_det.garbage import uncollected
from ads_det.work_files import are_pool_images

FORMAT = 1
UNLABELED = -1
LEFT_OUT = -2  # cannot be read


class Pool:
    """Ids of all images and the cycle in which each was labelled.

    Args:
        ids: unique names of the images, in a fixed order.
        labeled_in: for each image the cycle whose training first saw its label (0 is the
            initial set), -1 without a label, -2 if it is left out because it cannot be read;
            all -1 unless given.

    Raises:
        ADSError: if an id occurs twice.
    """

    def __init__(self, ids: Sequence[str], labeled_in: Sequence[int] | None = None) -> None:
        self.ids = tuple(ids)
        self._position = {name: i for i, name in enumerate(self.ids)}
        if len(self._position) < len(self.ids):
            raise ADSError("The pool names an image twice; ids must be unique.")
        self.labeled_in = np.full(len(self.ids), UNLABELED, dtype=np.int64)
        if labeled_in is not None:
            self.labeled_in[:] = labeled_in

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, name: str) -> bool:
        return name in self._position

    def labeled(self, cycle: int | None = None) -> list[str]:
        """Ids labelled when ``cycle`` trains (now, unless given), in pool order."""
        return [self.ids[i] for i in np.flatnonzero(self._is_labeled(cycle))]

    def unlabeled(self, cycle: int | None = None) -> list[str]:
        """Ids without label when ``cycle`` trains (now, unless given), in pool order."""
        readable = self.labeled_in != LEFT_OUT
        return [self.ids[i] for i in np.flatnonzero(readable & ~self._is_labeled(cycle))]

    def left_out(self) -> list[str]:
        """Ids of the images that cannot be read, in pool order."""
        return [self.ids[i] for i in np.flatnonzero(self.labeled_in == LEFT_OUT)]

    def _is_labeled(self, cycle: int | None) -> np.ndarray:
        labeled = self.labeled_in >= 0
        return labeled if cycle is None else labeled & (self.labeled_in <= cycle)

    def label(self, ids: Iterable[str], cycle: int) -> None:
        """Record that ``cycle`` is the first to train on ``ids``.

        Raises:
            ADSError: if an id is unknown or already labelled; nothing is changed then.
        """
        positions = []
        for name in ids:
            position = self._position.get(name)
            if position is None:
                raise ADSError(f"The pool has no image {name!r}; check the id list.")
            if self.labeled_in[position] == LEFT_OUT:
                raise ADSError(f"Image {name!r} cannot be read; take it off the id list.")
            if self.labeled_in[position] != UNLABELED:
                raise ADSError(
                    f"Image {name!r} is labelled since cycle {self.labeled_in[position]}; it "
                    "cannot be labelled again."
                )
            positions.append(position)
        self.labeled_in[positions] = cycle

    def unlabel(self, cycle: int) -> None:
        """Forget the labels that ``cycle`` and later ones were the first to train on."""
        self.labeled_in[self.labeled_in >= cycle] = UNLABELED

    def leave_out(self, ids: Iterable[str]) -> None:
        """Never choose these images nor train on them; those with a label keep it."""
        positions = [self._position[name] for name in ids]
        unlabeled = [p for p in positions if self.labeled_in[p] == UNLABELED]
        self.labeled_in[unlabeled] = LEFT_OUT

    @uncollected()
    def save(self, path: Path, run: dict[str, Any]) -> None:
        """Write the pool and facts about its run (JSON types) atomically."""
        images = dict(zip(self.ids, self.labeled_in.tolist(), strict=True))
        content = {"format": FORMAT, "run": run, "images": images}
        # an item a line, as by `indent`, which Python's encoder in C does not know
        write_text(path, json.dumps(content, ensure_ascii=False, separators=(",\n", ": ")) + "\n")

    @classmethod
    def load(cls, path: Path) -> tuple[Pool, dict[str, Any]]:
        """The pool and the facts that :meth:`save` wrote.

        Raises:
            ADSError: if the file is broken or of another format.
        """
        content = read_json(path)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            found = content.get("format") if isinstance(content, dict) else None
            raise ADSError(
                f"{path} has format {found!r}, this version reads {FORMAT}; use the version of "
                "ads_det that wrote it, or another --work-dir."
            )
        run, images = content.get("run"), content.get("images")
        if not isinstance(run, dict) or not isinstance(images, dict) or not are_pool_images(images):
            raise ADSError(
                f"{path} was changed by hand: `images` must give a cycle of -2 or more to each id "
                "and `run` be a table; restore it or use another --work-dir."
            )
        return cls(list(images), list(images.values())), run
