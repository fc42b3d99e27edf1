"""The small state of a run on disk, and that it belongs to this run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process

from ads_det.active.pool import UNLABELED, Pool
from ads_det.console import say
from ads_det.engine.run_settings import changed_blocks, changed_workers, fingerprint
from ads_det.engine.stored_config import config_program, read_config, write_config
from ads_det.errors import ADSError
from ads_det.files import write_text
from ads_det.garbage import uncollected
from ads_det.lock import lock_folder
from ads_det.standing import discard_start
from ads_det.work_files import COPIED, RunFiles


class WorkDir:
    """The work directory of a run: its lock, its config and ``pool.json``.

    Args:
        path: work directory.
        cfg: run config.
        seed: run seed.
    """

    def __init__(self, path: str | Path, cfg: Config, seed: int) -> None:
        self.path, self._cfg = Path(path), cfg
        self.files = RunFiles(self.path)
        self._facts: dict[str, Any] = dict(seed=seed, config=fingerprint(cfg))

    def has_run(self) -> bool:
        """Whether a run has begun here."""
        return self.files.pool.exists()

    def is_of_this_config(self) -> bool:
        """Whether the run here has this config and seed."""
        stored = Pool.load(self.files.pool)[1]
        return stored.get("seed") == self._facts["seed"] and not self._changed(stored)

    def begin_anew(self) -> None:
        """Delete a run that has trained nothing."""
        lock = lock_folder(self.path)
        discard_start(self.files)
        lock.close()

    def lock(self) -> None:
        """Keep other processes out until this one ends.

        Raises:
            ADSError: if another has the folder.
        """
        self._lock = lock_folder(self.path)

    def begin(self, pool: Pool) -> None:
        """Make and lock the folder and write the first state.

        Raises:
            ADSError: if it cannot be made, or holds a part of another run.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.lock()
            if self.has_run():
                raise ADSError(f"{self.path} was taken by another run; choose another.")
            strange = [c for c in self.files.cycles().values() if not (c.folder / COPIED).exists()]
            if strange:
                raise ADSError(
                    f"{self.path} holds {strange[0].name} but no pool.json; restore pool.json, "
                    "delete the folder, or choose another --work-dir."
                )
            _write_configs(self.files, self._cfg)
        except OSError as error:
            is_nowhere = self.path.is_symlink() and not self.path.exists()
            reason = "it is a link to nothing" if is_nowhere else error.strerror
            raise ADSError(
                f"The work directory {self.path} cannot be made ({reason}); make it writable or "
                "choose another --work-dir."
            ) from error
        self.save(pool)

    def save(self, pool: Pool) -> None:
        """Write the state."""
        pool.save(self.files.pool, self._facts)

    @uncollected()
    def read_pool(self, ids: list[str]) -> Pool:
        """The state, if it is that of this config, seed and data set.

        Args:
            ids: ids of all images of the data set.

        Raises:
            ADSError: if it is not, or broken.
        """
        pool, stored = Pool.load(self.files.pool)
        changed = self._changed(stored)
        named = (self._differences(changed) or changed) if changed else []
        if stored.get("seed") != self._facts["seed"]:
            named.append("the seed")
        if named:
            leave_out = (
                f"leave the config out (--work-dir {self.path} --resume) to go on with those"
            )
            raise ADSError(
                f"The run in {self.path} was started with other settings (they differ in "
                f"{', '.join(named)}); {f'{leave_out}, ' if self.files.config.exists() else ''}"
                f"give the same --cfg-options as then (all: {self.files.config_program}), or "
                "another --work-dir."
            )
        if set(pool.ids) != set(ids):
            odd = sorted(set(pool.ids) ^ set(ids))
            raise ADSError(
                f"The data set is no longer the one of the run in {self.path} ({odd[0]!r} and "
                f"{len(odd) - 1} more images came or went); restore it or use another --work-dir."
            )
        if is_main_process():  # begun by an older version, or to have more cycles
            if self.files.config.exists():
                note = changed_workers(read_config(self.files.config), self._cfg)
                if note:
                    say(note)
            write_config(self.files.config, self._cfg)
        return pool

    def check_progress(self, pool: Pool, cycles: int) -> None:
        """Refuse to forget finished cycles, and to believe labels of cycles that cannot have been.

        Args:
            pool: state of the run.
            cycles: how many it is to have.

        Raises:
            ADSError: then.
        """
        begun = self.files.cycles()
        done = [number for number, files in begun.items() if files.metrics_file.exists()]
        if done and done[-1] >= cycles:
            raise ADSError(
                f"The run in {self.path} has finished {done[-1] + 1} cycles, but "
                f"active_learning.cycles is {cycles}; ask for {done[-1] + 1} or more."
            )
        last = int(pool.labeled_in.max(initial=UNLABELED))
        # the folder of the last cycle may have been deleted, to do it anew
        if last > min(max(begun, default=-1) + 2, cycles - 1):
            raise ADSError(
                f"{self.files.pool} was changed by hand: an image is labelled for cycle {last}, "
                "which this run has not come to; restore it or use another --work-dir."
            )

    def _changed(self, stored: dict[str, Any]) -> list[str]:
        """Blocks of the config that are not those of the state."""
        theirs = stored.get("config")
        return changed_blocks(theirs if isinstance(theirs, dict) else {}, self._cfg)

    def _differences(self, blocks: list[str], most: int = 3) -> list[str]:
        """Keys in which the stored config differs, with both values; none if it is gone."""
        path = self.files.config
        if not path.exists():
            return []
        theirs, ours = (_flat(c.to_dict()) for c in (read_config(path), self._cfg))
        keys = sorted(k for k in theirs.keys() | ours.keys() if k.split(".")[0] in blocks)
        found = [
            f"{key}: {theirs.get(key, 'nothing')} then, {ours.get(key, 'nothing')} now"
            for key in keys
            if theirs.get(key) != ours.get(key)
        ]
        return [*found[:most], *(["and more"] if len(found) > most else [])]


def change_config(files: RunFiles, pool: Pool, facts: dict[str, Any], cfg: Config) -> None:
    """Give a run that has trained nothing another config.

    Args:
        files: Files of the run, which is locked.
        pool: its state.
        facts: noted in it; the config's are replaced.
        cfg: the new config.
    """
    _write_configs(files, cfg)
    facts["config"] = fingerprint(cfg)
    pool.save(files.pool, facts)


def _write_configs(files: RunFiles, cfg: Config) -> None:
    write_config(files.config, cfg)
    write_text(files.config_program, config_program(cfg))


def _flat(node: Any, key: str = "") -> dict[str, str]:
    """Every leaf of a config by its dotted key, as text."""
    if not isinstance(node, dict):
        return {key: repr(node)[:60]}
    leaves = [_flat(value, f"{key}.{name}".lstrip(".")) for name, value in node.items()]
    return {name: text for part in leaves for name, text in part.items()}
