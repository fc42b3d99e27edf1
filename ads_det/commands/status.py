"""Say where a run stands: whose turn it is, what is labelled, the last numbers, what comes next.

Nothing is changed, and a run that is at work may be asked, too.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ads_det.commands.words import next_command
from ads_det.errors import ADSError
from ads_det.files import read_table
from ads_det.labels.store import LabelStore
from ads_det.standing import finished_cycles, standing
from ads_det.work_files import (
    RunFiles,
    SelectionFiles,
    are_pool_images,
    read_stored_config,
)

LIGHT = True
EXAMPLES = "Example: %(prog)s work_dirs/pets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("work_dir", type=Path, help="work directory of a run")


def check(args: argparse.Namespace) -> str:
    if not RunFiles(args.work_dir).pool.exists():
        raise ADSError(f"{args.work_dir} holds no run; name the work directory of one.")
    return f"Reading {args.work_dir} ..."


def main(args: argparse.Namespace) -> None:
    print("\n".join(status_lines(RunFiles(args.work_dir), args.typed)))


def status_lines(files: RunFiles, typed: list[str]) -> list[str]:
    """What to say of a run.

    Args:
        files: Files of the run.
        typed: words of this command line, for the next command.

    Raises:
        ADSError: if a state file is not as the run wrote it.
    """
    images = read_table(files.pool, images=are_pool_images)["images"]
    config = read_stored_config(files.config)
    block = config.get("active_learning") or {}
    cycles = block.get("cycles", 0)
    labeled = sum(since >= 0 for since in images.values())
    left_out = sum(since == -2 for since in images.values())
    lines = [f"{labeled} of {len(images)} images are labelled"]
    lines[0] += f", {left_out} cannot be read." if left_out else "."
    if files.history.exists():
        content = files.read_history()
        last = content["cycles"][-1]
        value = last["metrics"][f"mean/{content['metric']}"]
        lines.append(f"Cycle {last['cycle'] + 1} of {cycles}: {content['metric']} {value:.3f}.")
    seconds = sum(s for c in files.cycles().values() for s in c.seconds().values())
    if seconds:
        lines.append(f"Time used by finished stages: {seconds / 60:.1f} min.")
    go_on = next_command(typed, "run", "--work-dir", files.path, "--resume")
    waiting = _waiting(files, max(images.values(), default=-1))
    if waiting is not None and block.get("oracle") == "human":
        picks = waiting.picks()
        missing = len(_unlabeled(waiting, picks, config))
        if picks and not missing:
            new = f"The batch {waiting.name} has its labels, and nothing is trained on them yet."
            return [*lines, f"The machine's turn. {new}", f"Next: {go_on}"]
        take = next_command(typed, "import", files.path, "EXPORTED_FILE")
        some = f"{missing} of the {len(picks)} images in " if missing < len(picks) else ""
        lines.append(f"Your turn: label {some}{waiting.package} (its README.txt says how).")
        return [*lines, f"Next: {take}", f"Then: {go_on}"]
    if finished_cycles(files) >= cycles:
        more = f"{go_on} --cycles {cycles + 1}"
        return [*lines, standing(files, cycles), f"One cycle more: {more}"]
    return [*lines, "The machine's turn. " + standing(files, cycles), f"Next: {go_on}"]


def _waiting(files: RunFiles, last: int) -> SelectionFiles | None:
    """The batch that is handed out and not taken over yet; ``last``: cycle of the newest labels."""
    batch = files.cycle(last) if last >= 0 else files.initial
    return batch if batch.package.exists() else None


def _unlabeled(batch: SelectionFiles, picks: list[str], config: dict[str, Any]) -> list[str]:
    """The picks of a batch that wait for a label; none if its owner went on without them."""
    loader = config.get("train_dataloader") or {}
    pool = (config.get("pool") or {}) | (loader.get("dataset") or {})
    if not isinstance(pool.get("labels"), str):
        return picks
    store = LabelStore(pool["labels"])
    if store.is_closed(batch.name, picks):
        return []
    known = store.read()
    return [name for name in picks if name not in known]
