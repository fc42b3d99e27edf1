"""What Label Studio makes of a package that ads_det writes: a real server, its import and export.

python benchmarks/label_studio_round_trip.py --label-studio /path/to/env/bin/label-studio

The command is of an environment of its own (`pip install label-studio`). The server runs on this
machine only, with its data in a temporary folder. What a person does in the browser is done by
the same requests: set up the project, add the images as local storage, import the proposals,
submit each as it is, skip an image, leave one alone, export. The exit status is 1 if the server
does not serve an image, finds fault with a proposal, or loses or moves anything.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from label_studio_server import Server, running
from PIL import Image

from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.package import write_package
from ads_det.labels.read import read_labels

CLASSES = ("cat", "дом", 'say "hi"', "<a & b>", "it's a tree", "комната, 2; x/y")
SKIPPED, UNTOUCHED = "skipped.jpg", "untouched.jpg"
TURNED = "turned/портрет.jpg"  # stored sideways, with the tag that turns it upright
EMPTY = ("without boxes.jpg", "пусто/no box.jpg")
SIZES = {  # upright; 100 / 88 * 88 and 100 / 91 * 91 are above 100
    "plain.jpg": (97, 61),
    "with space/and more.jpg": (88, 91),
    "фото/三毛猫.jpg": (640, 480),
    "quotes/\"double\" and 'single'.jpg": (61, 97),
    "signs/<a>&amp;b;%20#1+2?.jpg": (333, 77),
    "deep/er/folder/frame.0001.jpg": (1, 1),
    "cafe\u0301.JPG": (123, 45),
    TURNED: (60, 100),
    EMPTY[0]: (50, 40),
    EMPTY[1]: (40, 50),
    SKIPPED: (70, 30),
    UNTOUCHED: (30, 70),
}
EXPORTS = {
    "JSON": "exportType=JSON",
    "JSON-MIN": "exportType=JSON_MIN",
    "JSON, all tasks": "exportType=JSON&download_all_tasks=true",
}
TOLERANCE = 0.5  # pixels
ORIENTATION = 0x0112  # tag of EXIF; 6: turn by 90 degrees clockwise to see it upright


def draw(folder: Path) -> dict[str, str]:
    """Images of one colour each; returns their paths by id."""
    paths = {}
    for number, (name, size) in enumerate(SIZES.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        if name == TURNED:
            exif[ORIENTATION] = 6
            size = size[::-1]
        Image.new("RGB", size, (20 * number, 120, 150)).save(path, "JPEG", exif=exif)
        paths[name] = str(path)
    return paths


def propose(seed: int) -> dict[str, ImageLabels]:
    """Boxes of whole pixels, of fractions and at all borders, in all images that shall have any."""
    rng = random.Random(seed)
    proposals = {}
    for name, (width, height) in SIZES.items():
        if name in EMPTY:
            continue
        boxes = [Box("cat", 0, 0, width, height), Box('say "hi"', 0, 0, 1, 1, score=0.25)]
        for number in range(12):
            x1, y1 = rng.uniform(0, width * 0.9), rng.uniform(0, height * 0.9)
            x2, y2 = rng.uniform(x1, width), rng.uniform(y1, height)
            boxes.append(Box(CLASSES[number % len(CLASSES)], x1, y1, x2, y2, score=rng.random()))
        proposals[name] = ImageLabels(name, width, height, tuple(boxes), checked=False)
    return proposals


def set_up(server: Server, package: Path) -> tuple[int, list[str]]:
    """A project as the package's README describes it; returns its number and complaints."""
    config = (package / "label_studio_config.xml").read_text(encoding="utf-8")
    project = server.post("/api/projects/", dict(title="Round trip", label_config=config))
    known = tuple(project["parsed_label_config"]["label"]["labels"])
    complaints = [] if known == CLASSES else [f"its interface has the classes {known}"]
    storage = dict(project=project["id"], title="images", path=str(package / "images"))
    server.post("/api/storages/localfiles", storage)
    file = package / "proposals" / "label_studio.json"
    uploaded = server.upload(f"/api/projects/{project['id']}/import?commit_to_project=false", file)
    wanted = dict(file_upload_ids=uploaded["file_upload_ids"], files_as_tasks_list=False)
    imported = server.post(f"/api/projects/{project['id']}/reimport", wanted)
    counts = imported["task_count"], imported["prediction_count"]
    if counts != (len(SIZES), len(SIZES) - len(EMPTY)):
        complaints.append(f"it made {counts[0]} tasks and {counts[1]} predictions")
    return project["id"], complaints


def label(server: Server, project: int, package: Path) -> list[str]:
    """Look at all images and submit the proposals as they are; returns complaints."""
    complaints = []
    listed = server.get(f"/api/tasks/?project={project}&page_size=1000&fields=all")
    for number in (task["id"] for task in listed["tasks"]):
        task = server.get(f"/api/tasks/{number}/?project={project}")
        name = task["data"]["image_id"]
        if server.read(task["data"]["image"]) != (package / "images" / name).read_bytes():
            complaints.append(f"it serves something else for {name!r}")
        if name == UNTOUCHED:
            continue
        answer: dict[str, Any] = dict(result=[], lead_time=1.5, draft_id=0)
        for prediction in task["predictions"]:
            answer["parent_prediction"] = prediction["id"]
            answer["result"] = [dict(r, origin="prediction") for r in prediction["result"]]
        query = f"project={project}" + ("&was_cancelled=1" if name == SKIPPED else "")
        server.post(f"/api/tasks/{number}/annotations/?{query}", answer)
    return complaints


def compare(
    proposals: Mapping[str, ImageLabels], found: Sequence[ImageLabels], all_tasks: bool
) -> tuple[list[str], int, int, float]:
    """What is wrong with an export, its images and boxes, and the largest difference in pixels."""
    by_id = {labels.image: labels for labels in found}
    wrong = [f"it has {name!r} of nowhere" for name in sorted(by_id.keys() - SIZES.keys())]
    count, worst = 0, 0.0
    for name, size in SIZES.items():
        labels = by_id.get(name)
        submitted = name not in (SKIPPED, UNTOUCHED)
        if labels is None:
            wrong += [f"{name!r} is lost"] if submitted or all_tasks else []
            continue
        if (labels.width, labels.height) != size:
            wrong.append(f"{name!r} has the size {labels.width} x {labels.height}")
        if labels.checked is not submitted:
            wrong.append(f"{name!r} has checked={labels.checked}")
        boxes = proposals[name].boxes if submitted and name in proposals else ()
        if [box.name for box in labels.boxes] != [box.name for box in boxes]:
            wrong.append(f"{name!r} has other boxes: {labels.boxes}")
            continue
        count += len(boxes)
        for box, other in zip(boxes, labels.boxes):
            worst = max(worst, *(abs(a - b) for a, b in zip(box.corners, other.corners)))
    if worst > TOLERANCE:
        wrong.append(f"a box moved by {worst:.3f} px")
    return wrong, len(by_id), count, worst


def round_trip(command: str, seed: int, folder: Path) -> list[str]:
    """Print a table and return what went wrong."""
    package, log = folder / "package", folder / "server.txt"
    proposals = propose(seed)
    write_package(package, draw(folder / "pool"), {}, proposals, CLASSES)
    try:
        with running(command, package, folder / "data", log) as server:
            print(f"Label Studio {server.get('/api/version')['release']}", flush=True)
            project, complaints = set_up(server, package)
            complaints += label(server, project, package)
            exports = {
                name: server.read(f"/api/projects/{project}/export?{query}")
                for name, query in EXPORTS.items()
            }
    except (OSError, RuntimeError) as error:
        said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        sys.exit(f"{said[-3000:]}\n{error}")
    said = log.read_text(encoding="utf-8", errors="replace")
    faults = dict.fromkeys(line for line in said.splitlines() if line.startswith("- Task "))
    complaints += [f"it finds fault with a proposal {line}" for line in faults]
    print(f"{'export':18}{'images':>8}{'boxes':>7}{'largest difference':>21}")
    for name, content in exports.items():
        file = folder / f"{name}.json"
        file.write_bytes(content)
        wrong, images, boxes, worst = compare(proposals, read_labels(file), "all" in name)
        print(f"{name:18}{images:>8}{boxes:>7}{worst:>18.4f} px")
        complaints += [f"{name}: {text}" for text in wrong]
    return complaints


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--label-studio", required=True, help="the command label-studio")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stop the server then, too
    with tempfile.TemporaryDirectory() as temporary:
        complaints = round_trip(args.label_studio, args.seed, Path(temporary).resolve())
    for text in complaints:
        print(f"FAILED: {text}")
    done = [name for name in SIZES if name not in (SKIPPED, UNTOUCHED)]
    print(f"{len(done)} images were submitted, 1 skipped, 1 left alone")
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
