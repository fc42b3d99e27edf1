"""What a run left in its work directory, for those who draw it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ads_det.errors import ADSError
from ads_det.results import CycleResult
from ads_det.work_files import RunFiles

if TYPE_CHECKING:
    from mmengine.config import Config


@dataclass(frozen=True)
class RunFolder:
    """The work directory of a run of the loop, finished or not.

    Args:
        path: work directory.
        name: Name in legends and headings.
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
        return self.files.read_history()

    @cached_property
    def rows(self) -> list[CycleResult]:
        """One for each cycle."""
        return [CycleResult.from_dict(row) for row in self.history["cycles"]]

    @property
    def metric(self) -> str:
        """Of the mean prediction."""
        return f"mean/{self.history['metric']}"

    @cached_property
    def config(self) -> Config:
        """The config that the run was started with."""
        from ads_det.engine.stored_config import read_config  # large: folders are found without it

        return read_config(self.files.config)


def find_runs(folders: list[Path]) -> dict[str, dict[int, RunFolder]]:
    """Runs by method and seed below folders of comparisons, or single work directories.

    Raises:
        ADSError: if a folder holds neither.
    """
    found: dict[str, dict[int, RunFolder]] = {}
    singles: list[Path] = []
    for folder in folders:
        below = [path.parent for path in sorted(folder.glob("*/seed_*/history.json"))]
        below = [path for path in below if path.name.removeprefix("seed_").isdecimal()]
        is_single = (folder / "history.json").exists()
        if not below and not is_single:
            raise ADSError(
                f"{folder} holds no history.json and no METHOD/seed_N/history.json; give the work "
                "directory of ads-det run or of ads-det benchmark."
            )
        if is_single and folder.resolve() not in [path.resolve() for path in singles]:
            singles.append(folder)
        for path in below:
            _add(found, path.parent.name, int(path.name.removeprefix("seed_")), path)
    for path, name in zip(singles, _distinct_names(singles), strict=True):
        _add(found, name, 0, path)
    return found


def _add(found: dict[str, dict[int, RunFolder]], method: str, seed: int, path: Path) -> None:
    """Note a run; where another has its name, its folder becomes a part of it."""
    known = found.get(method, {}).get(seed)
    if known is not None and known.path.resolve() != path.resolve():
        method = f"{method} ({path})"
    found.setdefault(method, {})[seed] = RunFolder(path, f"{method} seed {seed}")


def _distinct_names(paths: list[Path]) -> list[str]:
    """The last parts of each path: as many as tell them apart."""
    parts = [path.resolve().parts for path in paths]
    for count in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(own[-count:]) for own in parts]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]
