"""Take over the labels of a batch that an annotation tool exported."""

import sys
from pathlib import Path

# else this folder's select.py would stand in for the standard library's
sys.path[:] = [p for p in sys.path if Path(p).resolve() != Path(__file__).resolve().parent]

from ads_det.errors import exit_without_stack

exit_without_stack()

import argparse
from contextlib import suppress

from ads_det.active.labeling import LabeledRun, OpenBatch
from ads_det.cli import run_tool
from ads_det.console import say
from ads_det.data.pool_dataset import and_more
from ads_det.errors import ADSError
from ads_det.labels.read import detect_format
from ads_det.labels.summary import count_boxes


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: python tools/import_labels.py work_dirs/cats export.json. Formats "
        "are recognised: COCO JSON, Label Studio JSON, CVAT XML, VOC XML (a folder), YOLO (a "
        "folder of txt), and zip files of them. Nothing is changed unless the whole file is in "
        "order. --undo takes the last import back.",
    )
    parser.add_argument("work_dir", type=Path, help="of the run, such as work_dirs/cats")
    parser.add_argument("labels", nargs="?", type=Path, help="the exported file or folder")
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
        "--proposals",
        choices=("accept", "skip"),
        help="images whose boxes are exactly those that the model proposed: 'accept' (somebody "
        "found them right) or 'skip' (nobody has looked yet); asked for if there are any",
    )
    parser.add_argument("--dry-run", action="store_true", help="check, but change nothing")
    parser.add_argument("--undo", action="store_true", help="take back the last import")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if args.undo and (args.labels or args.dry_run):
        raise ADSError("--undo takes the last import back, whatever it was; give it alone.")
    run = LabeledRun(args.work_dir)
    if args.undo:
        say(run.undo_import() + ".")
        return
    if args.labels is None and args.partial != "continue":
        raise ADSError(
            "No file is given; name the exported file or folder, or pass --partial continue to go "
            "on with the labels that are there, or --undo."
        )
    batch = OpenBatch(run)
    found = batch.read(args.labels) if args.labels else []
    accept, checked = args.proposals == "accept", False
    answer = batch.check(found, args.ignore_others, checked, accept)
    if answer.untouched:
        question = f"The boxes of {len(answer.untouched)} image(s), such as "
        question += f"{answer.untouched[0]!r}, are those that the model proposed. Take them"
        accept = decide(question, "--proposals", "accept", "skip", args.proposals) == "accept"
    if answer.undecided:
        question = f"{len(answer.undecided)} image(s), such as {answer.undecided[0]!r}, have no "
        question += "box. Did somebody check them"
        checked = (
            decide(question, "--without-boxes", "checked", "skip", args.without_boxes) == "checked"
        )
    answer = batch.check(found, args.ignore_others, checked, accept)
    if args.labels:
        kind = detect_format(args.labels).replace("_", " ")
        say(
            f"{args.labels} ({kind}): {len(answer.images)} of {len(batch.batch.ids)} images, "
            f"{count_boxes(answer.images)}"
        )
    go_on = False
    if answer.missing:
        question = f"{len(answer.missing)} image(s) of the batch, such as {answer.missing[0]!r}, "
        question += "have no label. Continue without them"
        go_on = decide(question, "--partial", "continue", "wait", args.partial) == "continue"
    batch.check_take(answer, go_on)
    if args.dry_run:
        say("The file is in order; nothing was changed (--dry-run).")
        return
    written = batch.take(answer, go_on)
    if answer.missing and not go_on:
        named = ", ".join(answer.missing[:5]) + and_more(len(answer.missing) - 5)
        say(f"Done: labels in {written}. Still to come: {named}; import them as well, or go on")
        say(f"without them: python tools/import_labels.py {args.work_dir} --partial continue")
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
    with suppress(EOFError):
        reply = input(f"{question}? [y/n] ").strip().lower()
        while reply not in ("y", "n"):
            reply = input("Please answer y or n: ").strip().lower()
        return yes if reply == "y" else no
    raise ADSError(f"Nothing was imported; pass {option} {yes} or {option} {no}.")


if __name__ == "__main__":
    run_tool(main)
