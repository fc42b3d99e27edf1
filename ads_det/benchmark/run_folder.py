"""What a run left in its work directory, for those who draw it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ads_det.errors import ADSError
from ads_det.files import read_json
from ads_det.work_files import RunFiles

if TYPE_CHECKING:
    from mmengine.config import Config


@dataclass(frozen=True)
class RunFolder:
    """The work directory of a run of the loop, finished or not.

    Args:
        path: work directory.
        name: for legends and headings.
    """

    path: Path
    name: str

    @property
    def files(self) -> RunFiles:
        """Where everything lies."""
        return RunFiles(self.path)

    @cached_property
    def history(self) -> dict[str, Any]:
        """Content of ``history.json``."""
        content: dict[str, Any] = read_json(self.files.history)
        return content

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One for each cycle."""
        rows: list[dict[str, Any]] = self.history["cycles"]
        return rows

    @property
    def metric(self) -> str:
        """Of the mean prediction."""
        return f"mean/{self.history['metric']}"

    @cached_property
    def config(self) -> Config:
        """The config that the run was started with."""
        from mmengine.config import Config  # large: folders are found without it

        return Config.fromfile(self.files.config)


def find_runs(folders: list[Path]) -> dict[str, dict[int, RunFolder]]:
    """Runs by method and seed below folders of comparisons, or single work directories.

    Raises:
        ADSError: if a folder holds neither.
    """
    found: dict[str, dict[int, RunFolder]] = {}
    for folder in folders:
        histories = [folder / "history.json", *sorted(folder.glob("*/seed_*/history.json"))]
        paths = [path.parent for path in histories if path.exists()]
        if not paths:
            raise ADSError(
                f"{folder} holds no history.json and no METHOD/seed_N/history.json; give the work "
                "directory of tools/al_loop.py or of tools/benchmark.py."
            )
        for path in paths:
            is_single = path == folder
            method = path.name if is_single else path.parent.name
            seed = 0 if is_single else int(path.name.removeprefix("seed_"))
            found.setdefault(method, {})[seed] = RunFolder(path, f"{method} seed {seed}")
    return found
