"""What lies where in a work directory: the one place that knows its names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ads_det.files import read_csv, read_ids, read_json

INITIAL = "initial"  # the batch before the first cycle


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
        return self.folder / "scores.csv"

    @property
    def fitted(self) -> Path:
        """What the strategy learnt."""
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
        """Score of every candidate, best first; empty without a selection."""
        if not self.scores_table.exists():
            return {}
        return {row["id"]: float(row["score"]) for row in read_csv(self.scores_table)}


@dataclass(frozen=True)
class CycleFiles(SelectionFiles):
    """Files of a cycle. Each stage is finished when its last file exists."""

    @property
    def labeled_list(self) -> Path:
        return self.folder / "labeled.txt"

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

    def labeled(self) -> list[str]:
        """Ids that the cycle trained on."""
        return read_ids(self.labeled_list)

    def metrics(self) -> dict[str, Any]:
        """Content of ``metrics.json``."""
        content: dict[str, Any] = read_json(self.metrics_file)
        return content

    def seconds(self) -> dict[str, float]:
        """Seconds of each finished stage, as far as recorded."""
        return read_json(self.seconds_file) if self.seconds_file.exists() else {}


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
        return self.path / "config.py"

    @property
    def history(self) -> Path:
        return self.path / "history.json"

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
        """The cycles whose folder exists, by number."""
        found = {}
        for folder in sorted(self.path.glob("cycle_*")):
            digits = folder.name.removeprefix("cycle_")
            if digits.isdecimal():
                found[int(digits)] = CycleFiles(folder)
        return found


def _ids(path: Path) -> list[str]:
    return read_ids(path) if path.exists() else []
