"""Take over the labels of a batch that an annotation tool exported."""

import sys
from pathlib import Path

# else this folder's select.py would stand in for the standard library's
sys.path[:] = [p for p in sys.path if Path(p).resolve() != Path(__file__).resolve().parent]

from ads_det.errors import exit_without_stack

exit_without_stack()

import argparse
from dataclasses import replace

from ads_det.active.labeling import OpenBatch, undo_import
from ads_det.active.settings import Settings, load_config
from ads_det.active.work_dir import WorkDir
from ads_det.cli import run_tool
from ads_det.console import say
from ads_det.errors import ADSError
from ads_det.labels.summary import count_boxes


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: python tools/import_labels.py projects/cats/cats.py export.json. Formats "
        "are recognised: COCO JSON, Label Studio JSON, CVAT XML, VOC XML (a folder), YOLO (a "
        "folder of txt), and zip files of them. Nothing is changed unless the whole file is in "
        "order. --undo takes the last import back.",
    )
    parser.add_argument("config", help="the project's config")
    parser.add_argument("labels", nargs="?", type=Path, help="the exported file or folder")
    parser.add_argument("--work-dir", help="of the run (default: work_dirs/<config>)")
    parser.add_argument(
        "--without-boxes",
        choices=("checked", "skip"),
        help="images that a COCO or CVAT file lists without boxes: 'checked' (somebody looked and "
        "found no object) or 'skip' (not labelled yet); asked for if the file cannot say",
    )
    parser.add_argument(
        "--partial",
        choices=("wait", "continue"),
        help="if images of the batch are missing: 'wait' for another import, or 'continue' with "
        "those that are there (the others return to the pool); asked for if needed",
    )
    parser.add_argument(
        "--ignore-others", action="store_true", help="pass over images that are not in the batch"
    )
    parser.add_argument(
        "--accept-proposals", action="store_true", help="take the model's own boxes as labels"
    )
    parser.add_argument("--dry-run", action="store_true", help="check, but change nothing")
    parser.add_argument("--undo", action="store_true", help="take back the last import")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = load_config(args.config)
    if Settings.from_config(cfg).oracle != "human":
        raise ADSError(
            f"{args.config} has active_learning.oracle='simulated', whose labels are there "
            "already; tools/init_project.py writes a config for labels that people give."
        )
    path = Path(args.work_dir or Path("work_dirs", Path(args.config).stem))
    work_dir = WorkDir(path, cfg, seed=0)
    if args.undo:
        say(undo_import(cfg, work_dir) + ".")
        return
    if args.labels is None:
        raise ADSError("No file is given; name the exported file or folder, or pass --undo.")
    batch = OpenBatch(cfg, work_dir)
    found = batch.read(args.labels)
    answer = batch.check(found, args.ignore_others, args.accept_proposals)
    if answer.undecided:
        question = f"{len(answer.undecided)} image(s), such as {answer.undecided[0].image!r}, have "
        question += "no box. Did somebody check them"
        if decide(question, "--without-boxes", "checked", "skip", args.without_boxes) == "checked":
            found = [replace(i, checked=i.checked is not False) for i in found]
            answer = batch.check(found, args.ignore_others, args.accept_proposals)
    say(f"{len(answer.images)} of {len(batch.batch.ids)} images: {count_boxes(answer.images)}")
    go_on = False
    if answer.missing:
        question = f"{len(answer.missing)} image(s) of the batch, such as {answer.missing[0]!r}, "
        question += "have no label. Continue without them"
        go_on = decide(question, "--partial", "continue", "wait", args.partial) == "continue"
    if args.dry_run:
        say("The file is in order; nothing was changed (--dry-run).")
        return
    written = batch.take(answer, go_on)
    if answer.missing and not go_on:
        say(f"Done: labels in {written}; {len(answer.missing)} images are still to come.")
    else:
        say(f"Done: labels in {written}. Next: the command of the run again, with --resume.")


def decide(question: str, option: str, yes: str, no: str, given: str | None) -> str:
    """The answer of an option or, at a terminal, of the user.

    Raises:
        ADSError: if neither is there.
    """
    if given:
        return given
    if not sys.stdin.isatty():
        raise ADSError(f"{question}? Nothing was imported; pass {option} {yes} or {option} {no}.")
    reply = input(f"{question}? [y/n] ").strip().lower()
    while reply not in ("y", "n"):
        reply = input("Please answer y or n: ").strip().lower()
    return yes if reply == "y" else no


if __name__ == "__main__":
    run_tool(main)
