"""What lies where in a work directory: the one place that knows its names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ads_det.errors import ADSError
from ads_det.files import read_ids, read_table, wrong_shape
from ads_det.results import RESULT, CycleResult, is_seconds, read_history

INITIAL = "initial"  # the batch before the first cycle
COPIED = "copied_from.txt"  # in a cycle's folder that a comparison took from another run


@dataclass(frozen=True)
class SelectionFiles:
    """Files of a selection.

    Args:
        folder: folder of a cycle, of the initial batch, or of a ranking.
    """

    folder: Path

    @property
    def name(self) -> str:
        """Of the folder, by which batches are called."""
        return self.folder.name

    @property
    def candidates_list(self) -> Path:
        """Ids that may be chosen; in a cycle also what its method may see without labels."""
        return self.folder / "unlabeled.txt"

    @property
    def scores_table(self) -> Path:
        """For people: the best candidates."""
        return self.folder / "scores.csv"

    @property
    def scores_array(self) -> Path:
        """Ids and scores of all candidates, where they are more than the table shows."""
        return self.folder / "scores.npz"

    @property
    def fitted(self) -> Path:
        """What the strategy learnt: VAAL's sampler, or another's."""
        return self.folder / "sampler.pth"

    @property
    def unreadable_list(self) -> Path:
        return self.folder / "unreadable.txt"

    @property
    def picks_list(self) -> Path:
        """Written last: the selection is finished when it exists."""
        return self.folder / "picks.txt"

    @property
    def picks_picture(self) -> Path:
        return self.folder / "picks.png"

    @property
    def package(self) -> Path:
        """What is handed out to be labelled."""
        return self.folder / "to_label"

    @property
    def shown(self) -> Path:
        """Marks of the images as they were handed out."""
        return self.folder / "shown.txt"

    @property
    def proposals(self) -> Path:
        """The boxes as they were handed out."""
        return self.folder / "proposals.json"

    def picks(self) -> list[str]:
        """Ids chosen, best first; empty without a selection."""
        return _ids(self.picks_list)

    def unreadable(self) -> list[str]:
        """Ids of candidates that could not be read."""
        return _ids(self.unreadable_list)

    def scores(self) -> dict[str, float]:
        """Score of every candidate, best first; empty without a selection. Where the table holds
        only the best, all come from the array, in the order of the candidates.

        Raises:
            ADSError: if either is not as a selection wrote it.
        """
        from ads_det import scores  # needs NumPy: the names of files are known without it

        if self.scores_array.exists():
            return scores.read_array_of_scores(self.scores_array)
        if not self.scores_table.exists():
            return {}
        return scores.read_table_of_scores(self.scores_table)


@dataclass(frozen=True)
class CycleFiles(SelectionFiles):
    """Files of a cycle. Each stage is finished when its last file exists."""

    @property
    def labeled_list(self) -> Path:
        return self.folder / "labeled.txt"

    @property
    def inputs(self) -> Path:
        """Marks of the files that the cycle trains on, see :mod:`ads_det.active.inputs`."""
        return self.folder / "inputs.txt"

    @property
    def positive_list(self) -> Path:
        """Unlabelled images that an oracle filter lets the phases see."""
        return self.folder / "positive.txt"

    @property
    def metrics_file(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def seconds_file(self) -> Path:
        return self.folder / "seconds.json"

    def models(self, members: int = 1) -> list[Path]:
        """Weights of each training of the cycle."""
        if members == 1:
            return [self.folder / "model.pth"]
        return [self.folder / f"member_{j}" / "model.pth" for j in range(members)]

    def found_models(self) -> list[Path]:
        """Weights that are there, of one training or of several."""
        one = self.folder / "model.pth"
        return [one] if one.exists() else sorted(self.folder.glob("member_*/model.pth"))

    def has_weights(self) -> bool:
        """Whether a training has come as far as its first checkpoint."""
        return any(next(self.folder.glob(f"**/{name}.pth"), None) for name in ("model", "epoch_*"))

    def labeled(self) -> list[str]:
        """Ids that the cycle trained on.

        Raises:
            ADSError: if their list is missing or none.
        """
        path = self.labeled_list
        if not path.exists():
            raise ADSError(f"{path} is missing; restore it, or give --resume, which writes it.")
        return read_ids(path)

    def scores(self) -> dict[str, float]:
        """As of any selection, but a cycle whose picks exist has scores.

        Raises:
            ADSError: if they are missing too.
        """
        if self.picks_list.exists() and not self.scores_table.exists():
            raise ADSError(
                f"{self.scores_table} is missing although {self.picks_list.name} exists; restore "
                f"it, or delete {self.picks_list.name} and run again with --resume, which selects "
                "anew."
            )
        scores = super().scores()
        strange = next((name for name in self.picks() if name not in scores), None)
        if strange is not None:
            raise wrong_shape(self.scores_table, f"it has no score of {strange!r}, a pick")
        return scores

    def result(self) -> CycleResult:
        """What ``metrics.json`` says, with the seconds recorded so far.

        Raises:
            ADSError: if it is not as a cycle wrote it.
        """
        content = read_table(self.metrics_file, **RESULT)
        number = self.name.rpartition("_")[2]
        if number.isdecimal() and content["cycle"] != int(number):
            raise wrong_shape(self.metrics_file, f"it is of cycle {content['cycle']}")
        count = content["labeled_images"]
        if self.labeled_list.exists() and count != len(self.labeled()):
            raise wrong_shape(self.metrics_file, f"`labeled_images` is {count}, unlike the list")
        return CycleResult.from_dict(content | dict(seconds=self.seconds()))

    def seconds(self) -> dict[str, float]:
        """Seconds of each finished stage, as far as recorded."""
        content = read_table(self.seconds_file) if self.seconds_file.exists() else {}
        if not is_seconds(content):
            raise wrong_shape(self.seconds_file, "a stage has no number of seconds")
        return content


@dataclass(frozen=True)
class RunFiles:
    """Files of a run.

    Args:
        path: work directory.
    """

    path: Path

    @property
    def pool(self) -> Path:
        """The state; the run has begun when it exists."""
        return self.path / "pool.json"

    @property
    def config(self) -> Path:
        """As it is read: plain data."""
        return self.path / "config.json"

    @property
    def config_program(self) -> Path:
        """For people; nothing executes it."""
        return self.path / "config.py"

    @property
    def threads(self) -> Path:
        """With how many threads the run computes, where the user did not say."""
        return self.path / "threads.txt"

    @property
    def history(self) -> Path:
        return self.path / "history.json"

    def read_history(self) -> dict[str, Any]:
        """Content of ``history.json``.

        Raises:
            ADSError: if it is not as this run wrote it.
        """
        content = read_history(self.history)
        for row in content["cycles"]:
            path, number = self.cycle(row["cycle"]).labeled_list, row["labeled_images"]
            if path.exists() and len(read_ids(path)) != number:
                raise wrong_shape(self.history, f"`labeled_images` is {number}, unlike {path}")
        return content

    @property
    def history_table(self) -> Path:
        return self.path / "history.csv"

    @property
    def curve(self) -> Path:
        return self.path / "learning_curve.png"

    @property
    def initial(self) -> SelectionFiles:
        """The batch before the first cycle."""
        return SelectionFiles(self.path / INITIAL)

    def cycle(self, number: int) -> CycleFiles:
        return CycleFiles(self.path / f"cycle_{number:02d}")

    def cycles(self) -> dict[int, CycleFiles]:
        """The cycles whose folder exists, by number, in order."""
        named = ((f.name.removeprefix("cycle_"), f) for f in self.path.glob("cycle_*"))
        found = {int(number): CycleFiles(f) for number, f in named if number.isdecimal()}
        return dict(sorted(found.items()))


def read_stored_config(path: Path) -> dict[str, Any]:
    """The table of ``config.json`` as it is stored.

    Raises:
        ADSError: if a block that every run has is missing or no table.
    """
    content = read_table(path, model=_is_table, active_learning=_is_table)
    block, pool = content["active_learning"], content.get("pool", {})
    if type(block.get("cycles")) is not int or block["cycles"] < 1:
        raise wrong_shape(path, f"`active_learning.cycles` is {block.get('cycles')!r}")
    test = content.get("test_dataloader")
    if not _is_table(test) or not _is_table(test.get("dataset")):
        raise wrong_shape(path, f"`test_dataloader` is {repr(test)[:60]}")
    if not _is_table(pool) or not _is_table(pool.get("metainfo") or {}):
        raise wrong_shape(path, f"`pool` is {repr(pool)[:60]}")
    loader = content.get("train_dataloader") or {}
    images = [pool, loader.get("dataset") if _is_table(loader) else None]
    if block.get("oracle") == "human" and not any(_is_table(d) and d.get("labels") for d in images):
        raise wrong_shape(path, "`pool.labels` is missing, although people label")
    return content


def are_pool_images(images: Any) -> bool:
    """Whether it is what ``pool.json`` says of its images: a cycle of -2 or more for each."""
    return _is_table(images) and all(type(c) is int and -2 <= c < 10**6 for c in images.values())


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _ids(path: Path) -> list[str]:
    return read_ids(path) if path.exists() else []
