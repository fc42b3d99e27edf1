"""A loop whose labels come from people, with a program in their place, for benchmarks/kills.py.

Begins a project with the embedded digits in WORK_DIR/project, or goes on with it, and answers every
batch by an import of the true labels until the run in WORK_DIR/run is over.

    python benchmarks/human_loop.py WORK_DIR configs/ssd_digits_ads.py --options KEY=VALUE ...
"""

import argparse
import sys
from pathlib import Path

from ads_det.cli import run_tool
from ads_det.commands import import_labels, init, run
from ads_det.data.synthetic import CLASSES, make_digits
from ads_det.files import read_ids
from ads_det.labels.coco import write_coco
from ads_det.labels.voc import read_voc, write_voc

IMAGES = (90, 20)  # of pool and test set


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work_dir", type=Path)
    parser.add_argument("config", help="to begin from")
    parser.add_argument("--cycles", type=int, default=2)
    parser.add_argument("--options", nargs="+", default=[], help="--cfg-options of the run")
    args = parser.parse_args()
    folder = args.work_dir.resolve()
    digits = make_digits(folder.parent / "digits", *IMAGES)
    truth = {Path(i.image).stem: i for i in read_voc(digits / "Annotations")}
    config, work_dir = folder / "project/project.py", folder / "run"
    if not config.exists():
        write_voc(
            [truth[n] for n in read_ids(digits / "ImageSets/Main/test.txt")],
            CLASSES,
            folder / "test",
        )
        call(
            *(init, digits / "JPEGImages", "--out", config.parent, "--base", args.config),
            *("--initial", 20, "--budget", 10, "--cycles", args.cycles),
            *("--classes", *CLASSES, "--test", folder / "test"),
        )
    loop = (run, config, "--work-dir", work_dir, "--resume", "--cfg-options", *args.options)
    call(*loop)
    while not (work_dir / f"cycle_{args.cycles - 1:02d}/metrics.json").exists():
        batches = [work_dir / "initial", *sorted(work_dir.glob("cycle_*"))]
        batch = [b for b in batches if (b / "to_label").exists()][-1]
        labels = [truth[Path(n).stem].named(n) for n in read_ids(batch / "picks.txt")]
        write_coco(labels, CLASSES, folder / f"{batch.name}.json")
        call(
            *(import_labels, work_dir, folder / f"{batch.name}.json"),
            *("--without-boxes", "checked", "--proposals", "accept"),
        )
        call(*loop)


def call(command: object, *arguments: object) -> None:
    run_tool(command, list(map(str, arguments)), f"ads-det {command.__name__.rpartition('.')[2]}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
