"""Active learning by hand against the simulation: hide all annotations, hand them out in batches.

Takes a VOC-format folder, copies its images alone, begins a project with tools/init_project.py and
answers every batch in another format (COCO, VOC, Label Studio, CVAT, in turn), as an annotation
tool would export it. The simulated run of the same config and seed must give the same picks and
metrics.

    python benchmarks/label_by_hand.py data/bccd work_dirs/by_hand --options train_cfg.max_epochs=8
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from ads_det.active.settings import load_config
from ads_det.files import read_ids, read_json
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.coco import write_coco
from ads_det.labels.cvat import write_cvat
from ads_det.labels.label_studio import write_label_studio
from ads_det.labels.voc import read_voc, write_voc

TOOLS = Path(__file__).resolve().parents[1] / "tools"
FORMATS = ("coco", "voc", "label_studio", "cvat")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="a VOC-format folder, all annotated")
    parser.add_argument("out", type=Path, help="folder to write to; must not exist")
    parser.add_argument("--config", default="configs/ssd_small_bccd_ads.py", help="simulated run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cycles", type=int, default=4)
    parser.add_argument("--options", nargs="+", default=[], help="--cfg-options of both runs")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    args.out.mkdir(parents=True)
    options = ["--seed", args.seed, "--cycles", args.cycles]
    options += ["--cfg-options", *args.options] if args.options else []
    simulated = args.out / "simulated"
    tool("al_loop.py", args.config, "--work-dir", simulated, *options)
    by_hand = label(args, options)
    same = compare(simulated, by_hand)
    sys.exit(0 if same else "the runs differ")


def tool(name: str, *arguments: object) -> None:
    """Run a tool of the project; its failure ends this script."""
    command = [sys.executable, TOOLS / name, *arguments]
    print("$", *(str(part) for part in ["python", f"tools/{name}", *arguments]), flush=True)
    subprocess.run(list(map(str, command)), check=True)


def label(args: argparse.Namespace, options: list) -> Path:
    """The run by hand; returns its work directory."""
    cfg = load_config(args.config)
    classes = cfg.train_dataloader.dataset.metainfo.classes
    photos, work_dir = args.out / "photos", args.out / "by_hand"
    shutil.copytree(args.data / "JPEGImages", photos)
    truth = {Path(i.image).stem: i for i in read_voc(args.data / "Annotations")}
    test = [truth[name] for name in read_ids(args.data / "ImageSets/Main/test.txt")]
    write_voc(test, classes, args.out / "test")
    numbers = cfg.active_learning
    tool(
        *("init_project.py", photos, "--out", args.out / "project", "--test", args.out / "test"),
        *("--initial", numbers.initial, "--budget", numbers.budget, "--cycles", args.cycles),
        *("--classes", *classes),
    )
    config = args.out / "project/project.py"
    tool("al_loop.py", config, "--work-dir", work_dir, *options)
    for number in range(args.cycles):
        kind = FORMATS[number % len(FORMATS)]
        batch = work_dir / (f"cycle_{number - 1:02d}" if number else "initial")
        names = read_ids(batch / "picks.txt")
        labels = [truth[Path(name).stem].named(name) for name in names]
        exported = export(kind, labels, classes, args.out / f"batch_{number}_{kind}")
        tool(
            *("import_labels.py", work_dir, exported),
            *("--without-boxes", "checked"),
        )
        tool("al_loop.py", config, "--work-dir", work_dir, "--resume", *options)
    return work_dir


def export(kind: str, labels: list[ImageLabels], classes: list[str], path: Path) -> Path:
    """What an annotation tool would give back."""
    if kind == "voc":
        write_voc(labels, classes, path)
        return path
    path = path.with_suffix(".xml" if kind == "cvat" else ".json")
    if kind == "label_studio":
        write_label_studio(labels, classes, path, lambda name: f"/data/upload/1/{name}")
        tasks = json.loads(path.read_text())
        for task in tasks:  # a person accepts every box
            task["annotations"] = [dict(result=r["result"]) for r in task.pop("predictions")]
            task["annotations"] = task["annotations"] or [dict(result=[])]
        path.write_text(json.dumps(tasks))
    else:
        {"coco": write_coco, "cvat": write_cvat}[kind](labels, classes, path)
    return path


def compare(simulated: Path, by_hand: Path) -> bool:
    """Print picks and metrics of both runs; whether they are equal."""
    rows = [read_json(run / "history.json")["cycles"] for run in (simulated, by_hand)]
    same = len(rows[0]) == len(rows[1])
    for first, second in zip(*rows):
        metrics = [row["metrics"] for row in (first, second)]
        picks = [
            [Path(name).stem for name in read_ids(file)] if file.exists() else []
            for file in (
                run / f"cycle_{first['cycle']:02d}/picks.txt" for run in (simulated, by_hand)
            )
        ]
        equal = metrics[0] == metrics[1] and picks[0] == picks[1]
        same &= equal
        mean = [next(v for k, v in m.items() if k.startswith("mean/")) for m in metrics]
        print(
            f"cycle {first['cycle']}: {first['labeled_images']} images, simulated {mean[0]:.4f}, "
            f"by hand {mean[1]:.4f}, picks and metrics {'equal' if equal else 'DIFFER'}"
        )
    return same


if __name__ == "__main__":
    main()
