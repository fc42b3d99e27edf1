"""The work of ``ads-det import``."""

import argparse
import sys
from contextlib import suppress

from ads_det.active.labeling import LabeledRun, OpenBatch
from ads_det.commands.words import next_command
from ads_det.commands.work.input_choice import choose_for_first_labels
from ads_det.console import say
from ads_det.data.notes import and_more
from ads_det.errors import ADSError
from ads_det.labels.read import detect_format
from ads_det.labels.summary import count_boxes
from ads_det.labels.yolo import NoClassesError


def main(args: argparse.Namespace) -> None:
    """See ``ads-det import --help``."""
    run = LabeledRun(args.work_dir)
    if args.undo:
        say(run.undo_import() + ".")
        return
    batch = OpenBatch(run)
    try:
        found = batch.read(args.labels) if args.labels else []
    except NoClassesError as error:
        offer = batch.batch.files.package / "classes.txt"
        raise ADSError(f"{error} If the tool had those of this project, copy {offer}.") from error
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
    if not answer.missing or go_on:
        known = batch.store.read() | {image.image: image for image in answer.images}
        note = choose_for_first_labels(run, [known[i] for i in batch.batch.ids if i in known])
        if note:
            say(note)
    written = batch.take(answer, go_on)
    if answer.missing and not go_on:
        named = ", ".join(answer.missing[:5]) + and_more(len(answer.missing) - 5)
        say(f"Done: labels in {written}. Still to come: {named}; import them as well, or go on")
        more = next_command(args.typed, "import", args.work_dir, "--partial", "continue")
        say(f"without them: {more}")
    else:
        go_on = next_command(args.typed, "run", "--work-dir", run.work_dir, "--resume")
        say(f"Done: labels in {written}. Next: {go_on}")


def decide(question: str, option: str, yes: str, no: str, given: str | None) -> str:
    """The answer of an option or, at a terminal, of the user.

    Raises:
        ADSError: if neither is there.
    """
    if given:
        return given
    if sys.stdin is None or not sys.stdin.isatty():
        raise ADSError(f"{question}? Nothing was imported; pass {option} {yes} or {option} {no}.")
    with suppress(EOFError):
        reply = input(f"{question}? [y/n] ").strip().lower()
        while reply not in ("y", "n"):
            reply = input("Please answer y or n: ").strip().lower()
        return yes if reply == "y" else no
    raise ADSError(f"Nothing was imported; pass {option} {yes} or {option} {no}.")
