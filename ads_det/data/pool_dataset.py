"""What every data set of a pool can do: name its images and open only the labels asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ads_det.errors import ADSError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def read_ids(path: str | Path) -> list[str]:
    """Ids from a text file, one a line (they may contain spaces); empty lines are skipped.

    Raises:
        ADSError: if the file is missing or names an id twice.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ADSError(f"The id list {path} cannot be read ({error.strerror}).") from error
    ids = [line.strip() for line in text.splitlines() if line.strip()]
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        twice = next(i for i in ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
        raise ADSError(f"The id list {path} names {twice!r} twice; keep one of the two lines.")
    return ids


class PoolDatasetMixin:
    """Mixin for an mmengine data set whose images are named by string ids.

    Args:
        ids: the ids to load, or the path of a text file that lists them; all images of the
            data set unless given.
        load_annotations: if False no annotation is opened and none needs to exist: the
            unlabelled and the candidate loader are the same data set with False.
        **kwargs: of the data set.
    """

    def __init__(
        self,
        *args: Any,
        ids: str | Sequence[str] | None = None,
        load_annotations: bool = True,
        **kwargs: Any,
    ) -> None:
        self.ids = ids
        self.load_annotations = load_annotations
        super().__init__(*args, **kwargs)

    def image_paths(self) -> dict[str, str]:
        """Path of every image by its id, in a fixed order; opens no annotation."""
        raise NotImplementedError

    def load_labeled(self, paths: dict[str, str]) -> list[dict]:
        """Data items with annotations of the images in ``paths``."""
        raise NotImplementedError

    def load_data_list(self) -> list[dict]:
        """Data items of the ids asked for.

        Raises:
            ADSError: if an id of ``ids`` names no image of the data set, or none is left.
        """
        paths = self.image_paths()
        if self.ids is not None:
            ids = read_ids(self.ids) if isinstance(self.ids, str) else self.ids
            unknown = [i for i in ids if i not in paths]
            if unknown:
                source = self.ids if isinstance(self.ids, str) else "The id list"
                raise ADSError(
                    f"{source} names {unknown[0]!r} (and {len(unknown) - 1} more) that "
                    f"{self.where()} does not contain; use the ids of that data set."
                )
            paths = {i: paths[i] for i in ids}
        if not paths:
            raise ADSError(f"{self.where()} contains no image; check the folder and the id lists.")
        if self.load_annotations:
            return self.load_labeled(paths)
        return [dict(img_id=i, img_path=path) for i, path in paths.items()]

    def filter_data(self) -> list[dict]:
        """The data set's own filter, which may look at annotations only if they are loaded.

        Raises:
            ADSError: if the filter leaves no image.
        """
        if not self.load_annotations:
            return self.data_list
        kept = super().filter_data()
        if not kept:
            raise ADSError(
                f"None of the {len(self.data_list)} images asked of {self.where()} has an object "
                "of the configured classes; check `metainfo.classes` and the annotations."
            )
        return kept

    def where(self) -> str:
        """How messages name this data set."""
        return f"the data set {self.data_root or self.ann_file}"
