"""Take over the labels of a batch that an annotation tool exported."""

from __future__ import annotations

import argparse
from pathlib import Path

from ads_det.arguments import existing
from ads_det.errors import ADSError

EXAMPLES = (
    "Example: %(prog)s work_dirs/cats export.json. Formats are recognised: COCO JSON, Label "
    "Studio JSON, CVAT XML, VOC XML (a folder), YOLO (a folder of txt), and zip files of them. "
    "Nothing is changed unless the whole file is in order. --undo takes the last import back."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("work_dir", type=Path, help="of the run, such as work_dirs/cats")
    parser.add_argument("labels", nargs="?", type=existing, help="the exported file or folder")
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


def check(args: argparse.Namespace) -> str:
    if args.undo and (args.labels or args.dry_run):
        raise ADSError("--undo takes the last import back, whatever it was; give it alone.")
    if not any((args.work_dir / name).exists() for name in ("pool.json", "labels/run.txt")):
        raise ADSError(
            f"{args.work_dir} holds no run; name the work directory that ads-det run wrote."
        )
    if args.labels is None and args.partial != "continue" and not args.undo:
        raise ADSError(
            "No file is given; name the exported file or folder, or pass --partial continue to go "
            "on with the labels that are there, or --undo."
        )
    return f"Opening the run of {args.work_dir} ..."


def main(args: argparse.Namespace) -> None:
    from ads_det.commands.work import import_labels

    import_labels.main(args)
