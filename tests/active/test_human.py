"""Labels from people: the same loop, whose oracle hands out batches and waits for imports."""

import csv
import functools
import io
import json
import operator
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import dump_config, tiny_config
from PIL import Image

from ads_det.active import loop
from ads_det.active.oracle import Commands, HumanOracle
from ads_det.commands.work.import_labels import decide
from ads_det.data.synthetic import CLASSES
from ads_det.errors import ADSError
from ads_det.files import read_ids, write_ids
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.coco import write_coco
from ads_det.labels.cvat import read_cvat, write_cvat
from ads_det.labels.label_studio import write_label_studio
from ads_det.labels.store import LabelStore
from ads_det.labels.voc import read_voc, write_voc

STRANGE = 'Ünïcode & <tags>/it\'s "one" 図.jpg'


class Project:
    """The digits as somebody has them: images, and labels on paper only."""

    def __init__(self, digits, folder, run):
        self.folder, self.run = folder, run
        self.photos = folder / "photos"
        shutil.copytree(digits / "JPEGImages", self.photos)
        self.truth = {i.image: i for i in read_voc(digits / "Annotations")}
        test = read_ids(digits / "ImageSets/Main/test.txt")
        write_voc([self.truth[f"{name}.jpg"] for name in test], CLASSES, folder / "test")
        self.base = folder / "base.py"
        dump_config(tiny_config(digits), self.base)
        self.config = folder / "cells/cells.py"
        self.work_dir = folder / "work_dirs/cells"

    def init(self, *more, test=True):
        options = ["--test", self.folder / "test"] if test else []
        return self.run(
            "init_project.py",
            *(self.photos, "--out", self.folder / "cells", "--base", self.base),
            *("--initial", 4, "--budget", 4, "--cycles", 3, "--classes", *CLASSES),
            *options,
            *more,
        )

    def loop(self, *more):
        status, out, err = self.run("al_loop.py", self.config, *more)
        assert status == 0, err
        return out

    def batch(self):
        """Folder of the newest batch."""
        names = ("initial/to_label", "cycle_*/to_label")
        return [p for name in names for p in sorted(self.work_dir.glob(name))][-1].parent

    def labels(self):
        """True labels of the newest batch."""
        return [self.truth[name] for name in read_ids(self.batch() / "picks.txt")]

    def export(self, kind="coco", labels=None, classes=CLASSES):
        labels = self.labels() if labels is None else labels
        path = self.folder / f"export_{kind}"
        if kind == "voc":
            shutil.rmtree(path, ignore_errors=True)
            write_voc(labels, classes, path)
        elif kind == "cvat":
            write_cvat(labels, classes, path.with_suffix(".xml"))
            path = path.with_suffix(".xml")
        elif kind == "coco":
            path = path.with_suffix(".json")
            write_coco(labels, classes, path)
        else:
            path = path.with_suffix(".json")
            write_label_studio(labels, classes, path, lambda name: name)
            tasks = json.loads(path.read_text())
            for task in tasks:
                results = [prediction["result"] for prediction in task.pop("predictions")]
                task["annotations"] = [dict(result=functools.reduce(operator.iadd, results, []))]
            path.write_text(json.dumps(tasks))
        return path

    def bring(self, path, *more):
        return self.run("import_labels.py", self.work_dir, path, *more)

    def files(self):
        """Everything that an import may change."""
        places = [self.folder / "cells", self.work_dir]
        return {
            path: path.read_bytes()
            for place in places
            for path in sorted(place.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }


@pytest.fixture
def project(digits, tmp_path, run):
    return Project(digits, tmp_path, run)


@pytest.fixture
def waiting(project):
    """A project whose first batch waits for labels."""
    assert project.init()[0] == 0
    project.loop()
    return project


def test_by_hand_equals_the_simulation_through_each_format(project, finished):
    project.init()
    assert "Next: label the 4 images" in project.loop()
    assert project.loop("--resume").count("Then:") == 2  # asking again changes nothing
    for kind in ("coco", "voc", "label_studio"):
        status, out, err = project.bring(project.export(kind), "--without-boxes", "checked")
        assert status == 0, err
        assert "4 of 4 images" in out
        said = project.loop("--resume")
    assert "Done: table" in said
    simulated, by_hand = (
        json.loads((folder / "history.json").read_text())["cycles"]
        for folder in (finished, project.work_dir)
    )
    assert [c["metrics"] for c in simulated] == [c["metrics"] for c in by_hand]
    for cycle in ("cycle_00", "cycle_01"):
        first, second = (
            read_ids(run / cycle / "picks.txt") for run in (finished, project.work_dir)
        )
        assert first == [Path(name).stem for name in second]


def test_a_package_holds_all_that_an_annotator_needs(waiting):
    waiting.bring(waiting.export("cvat"), "--without-boxes", "checked")
    waiting.loop("--resume", "--cfg-options", "active_learning.proposal_threshold=0.0")
    package = waiting.batch() / "to_label"
    names = read_ids(waiting.batch() / "picks.txt")
    with open(package / "ranked.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == names and [row["rank"] for row in rows] == list("1234")
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    for name in names:
        assert (package / "images" / name).read_bytes() == (waiting.photos / name).read_bytes()
    proposed = {i.image: i for i in read_cvat(package / "proposals/cvat.xml")}
    assert {name: len(proposed[name].boxes) for name in names} == {
        row["image"]: int(row["proposed_boxes"]) for row in rows
    }
    assert sum(len(i.boxes) for i in proposed.values()) > 0
    for file in ("coco.json", "label_studio.json", "voc"):
        assert (package / "proposals" / file).exists()
    # a proposal that nobody checked is no label
    for file in ("coco.json", "voc", "cvat.xml"):
        before = waiting.files()
        status, _, err = waiting.bring(package / "proposals" / file, "--without-boxes", "skip")
        assert status == 2 and "those that the model proposed" in err, file
        skip = ("--proposals", "skip", "--without-boxes", "skip", "--partial", "continue")
        status, _, err = waiting.bring(package / "proposals" / file, *skip)
        assert status == 2 and "no image of the batch" in err, file
        assert waiting.files() == before
    accept = ("--proposals", "accept", "--without-boxes", "checked", "--dry-run")
    assert waiting.bring(package / "proposals/coco.json", *accept)[0] == 0
    # whoever corrects the file in place is understood
    content = json.loads((package / "proposals/coco.json").read_text())
    corrected = next(i for i in content["images"] if i["file_name"] == names[0])
    content["annotations"] = [
        dict(a, bbox=[1, 1, 9, 9]) if a["image_id"] == corrected["id"] else a
        for a in content["annotations"]
    ]
    for annotation in content["annotations"]:
        del annotation["score"]
    (package / "proposals/coco.json").write_text(json.dumps(content))
    half = ("--proposals", "skip", "--without-boxes", "skip", "--partial", "wait")
    status, out, _ = waiting.bring(package / "proposals/coco.json", *half, "--dry-run")
    assert status == 0 and "1 of 4 images" in out


def test_no_annotation_of_the_pool_is_there_to_be_read(waiting):
    """The photos are the only thing of the data set that the project knows."""
    assert not list(waiting.photos.rglob("*.xml"))
    assert LabelStore(waiting.folder / "cells/labels").read().keys() == {
        f"{name}.jpg" for name in (p.stem for p in (waiting.folder / "test").glob("*.xml"))
    }


def test_test_images_without_labels_come_with_the_first_batch(project):
    status, out, err = project.init(test=False)
    assert status == 0, err
    assert "5 test images" in out
    assert "label the 9 images" in project.loop()
    test = read_ids(project.folder / "cells/test.txt")
    labels = [labels for labels in project.labels() if labels.image not in test]
    assert len(labels) == 4
    status, _, err = project.bring(project.export(labels=labels), "--partial", "continue")
    assert status == 2 and "The test image" in err
    project.bring(project.export())
    assert "label the 4 images" in project.loop("--resume")


def test_labels_that_are_there_begin_the_project(project, digits):
    names = read_ids(digits / "ImageSets/Main/trainval.txt")[:10]
    given = [project.truth[f"{name}.jpg"] for name in names]
    status, out, err = project.init(
        "--labels", project.export("voc", given), "--test-share", 0.3, test=False
    )
    assert status == 0, err
    assert "10 labelled" in out and "3 test images" in out
    assert "Cycle 1 of 3: 7 of 49 images" in project.loop()


def test_coverage_chooses_the_first_batch(project):
    project.init("--first", "coverage")
    project.loop()
    first = read_ids(project.work_dir / "initial/picks.txt")
    shutil.rmtree(project.work_dir)
    project.loop()
    assert read_ids(project.work_dir / "initial/picks.txt") == first
    shutil.rmtree(project.work_dir)
    project.loop("--cfg-options", "active_learning.initial_strategy=None")
    assert read_ids(project.work_dir / "initial/picks.txt") != first


def test_a_part_of_a_batch_waits_or_goes_on(waiting):
    half = waiting.export(labels=waiting.labels()[:2])
    before = waiting.files()
    status, _, err = waiting.bring(half)  # nobody is there to answer
    assert status == 2 and "--partial continue or --partial wait" in err
    assert waiting.files() == before
    status, out, _ = waiting.bring(half, "--partial", "wait")
    assert status == 0 and "Still to come: " in out
    assert "Next: label 2 of the 4 images" in waiting.loop("--resume")
    rest = waiting.export(labels=waiting.labels()[2:3])
    assert waiting.bring(rest, "--partial", "wait")[0] == 0
    status, out, _ = waiting.run("import_labels.py", waiting.work_dir, "--partial", "continue")
    assert status == 0 and "--resume" in out
    left = waiting.labels()[3].image
    assert "Cycle 1 of 3: 3 of 40 images" in waiting.loop("--resume")
    assert left in read_ids(waiting.work_dir / "cycle_00/unlabeled.txt")


def test_a_batch_that_another_run_closed_is_open_for_the_next(waiting):
    half = waiting.export(labels=waiting.labels()[:2])
    assert waiting.bring(half, "--partial", "continue")[0] == 0
    shutil.rmtree(waiting.work_dir)
    waiting.work_dir = waiting.work_dir.with_name("cells_seed2")
    said = waiting.loop("--seed", 2)
    assert "Next: label " in said and "Cycle 1" not in said


def test_a_photo_that_was_replaced_after_it_was_handed_out(waiting):
    path, export = waiting.photos / waiting.labels()[0].image, waiting.export()
    shown = path.read_bytes()
    path.unlink()  # the package has a link to it
    with Image.open(waiting.batch() / "to_label/images" / path.name) as image:
        image.transpose(Image.Transpose.ROTATE_180).save(path)
    status, _, err = waiting.bring(export, "--without-boxes", "checked")
    assert status == 2 and f"{path} was changed after it was handed out" in err
    replaced = path.read_bytes()
    path.write_bytes(shown)
    assert waiting.bring(export, "--without-boxes", "checked")[0] == 0
    path.unlink()
    path.write_bytes(replaced)
    status, _, err = waiting.run("al_loop.py", waiting.config, "--resume")
    assert status == 2 and f"{path} was changed after it was handed out" in err


def test_labels_of_a_project_that_was_moved_go_nowhere(waiting):
    export = waiting.export()
    (waiting.folder / "cells").rename(waiting.folder / "moved")
    status, _, err = waiting.bring(export, "--without-boxes", "checked")
    assert status == 2 and "put the project back to where it was" in err
    assert not (waiting.folder / "cells").exists()


def test_checked_without_an_object_is_a_label(waiting):
    empty = ImageLabels(waiting.labels()[0].image, 0, 0, checked=None)
    path = waiting.export("cvat", [empty, *waiting.labels()[1:]])
    status, _, err = waiting.bring(path)
    assert status == 2 and "--without-boxes checked or --without-boxes skip" in err
    status, out, _ = waiting.bring(path, "--without-boxes", "skip", "--partial", "wait")
    assert status == 0 and "3 of 4 images" in out
    status, out, _ = waiting.bring(path, "--without-boxes", "checked")
    assert status == 0 and "1 image(s) checked without an object" in out
    assert "Cycle 1 of 3: 4 of 40 images" in waiting.loop("--resume")


class Terminal(io.StringIO):
    """What somebody types."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("typed", "answer"), [("y\n", "accept"), (" N \n", "skip"), ("what?\n\nY\n", "accept")]
)
def test_a_question_is_asked_at_a_terminal_until_it_is_answered(typed, answer, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert decide("Take them", "--proposals", "accept", "skip", None) == answer
    out = capsys.readouterr().out
    assert out.startswith("Take them? [y/n] ")
    assert out.count("Please answer y or n: ") == typed.count("\n") - 1


def test_a_terminal_that_is_closed_at_a_question_imports_nothing(monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("perhaps\n"))
    with pytest.raises(ADSError, match="Nothing was imported; pass --x yes or --x no"):
        decide("Take them", "--x", "yes", "no", None)


def test_test_images_of_another_folder_wait_for_no_label(digits, tmp_path):
    """They have annotations of their own."""
    dataset = dict(data_root=str(tmp_path / "photos"), labels=str(tmp_path / "labels"))
    dataset |= dict(metainfo=dict(classes=CLASSES))
    oracle = HumanOracle(dataset, tmp_path / "run", Commands())
    cfg = tiny_config(digits)
    assert oracle.unlabeled_test_ids(cfg) == []
    write_ids(tmp_path / "test.txt", ["a.jpg", "b.jpg"])
    cfg.test_dataloader.dataset = dict(dataset, ids=str(tmp_path / "test.txt"))
    assert oracle.unlabeled_test_ids(cfg) == ["a.jpg", "b.jpg"]
    assert oracle.count_objects([]) == {}


def test_undo_takes_back_the_import_and_what_was_trained_on_it(waiting):
    before = waiting.files()
    waiting.bring(waiting.export(), "--without-boxes", "checked")
    status, _, err = waiting.bring(waiting.export(), "--undo")
    assert status == 2 and "give it alone" in err
    status, out, _ = waiting.run("import_labels.py", waiting.work_dir, "--undo")
    assert status == 0 and "Took back 001_initial.json" in out
    undone = waiting.folder / "cells/labels/undone/001_initial.json"
    assert {p: c for p, c in waiting.files().items() if p != undone} == before
    waiting.bring(waiting.export(), "--without-boxes", "checked")
    waiting.loop("--resume")
    waiting.bring(waiting.export(), "--without-boxes", "checked")
    ready = waiting.files()
    waiting.loop("--resume")
    status, out, _ = waiting.run("import_labels.py", waiting.work_dir, "--undo")
    assert status == 0 and "cycle_01, trained on it, is now undone_cycle_01" in out
    assert not (waiting.work_dir / "cycle_01").exists()
    history = json.loads((waiting.work_dir / "history.json").read_text())
    assert [row["cycle"] for row in history["cycles"]] == [0]  # nothing of what is undone
    assert (waiting.work_dir / "history.csv").read_text().count("\n") == 2
    waiting.bring(waiting.export(), "--without-boxes", "checked")
    again = waiting.files()
    drawn_anew = ("history.json", "history.csv", "learning_curve.png")
    assert {path for path, content in ready.items() if again.get(path) != content} <= {
        waiting.work_dir / name for name in drawn_anew
    }
    waiting.run("import_labels.py", waiting.work_dir, "--undo")
    waiting.run("import_labels.py", waiting.work_dir, "--undo")
    status, _, err = waiting.run("import_labels.py", waiting.work_dir, "--undo")
    assert status == 2 and "began with" in err
    assert not list(waiting.work_dir.glob("cycle_*"))
    assert not {path.name for path in waiting.work_dir.iterdir()}.intersection(drawn_anew)


def test_a_dry_run_changes_nothing(waiting):
    before = waiting.files()
    status, out, _ = waiting.bring(waiting.export(), "--dry-run")
    assert status == 0 and "in order" in out
    assert waiting.files() == before


@pytest.mark.parametrize("kind", ["coco", "voc", "label_studio", "cvat"])
def test_strange_names_and_turned_images(project, kind):
    """Awkward characters, and an image stored on its side: its boxes are where it is shown."""
    strange = project.photos / STRANGE
    strange.parent.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (90, 60), "white").save(strange, exif=exif)
    name = 'naïve "cat" & <dog>'
    status, _, err = project.run(
        "init_project.py",
        *(project.photos, "--out", project.folder / "cells", "--base", project.base),
        *("--classes", name, "--initial", 48, "--budget", 2, "--test-share", 0.05),
    )
    assert status == 0, err
    project.loop()
    true = Box(name, 0.0, 30.0, 60.0, 90.0)
    truth = [
        ImageLabels(image, 60, 90, (true,))
        if image == STRANGE
        else ImageLabels(image, *Image.open(project.photos / image).size, (Box(name, 0, 0, 9, 9),))
        for image in read_ids(project.batch() / "picks.txt")
    ]
    path = project.export(kind, truth, [name])
    status, _out, err = project.bring(path, "--without-boxes", "checked")
    assert status == 0, err
    stored = LabelStore(project.folder / "cells/labels").read()[STRANGE]
    assert stored.boxes[0].name == name and (stored.width, stored.height) == (60, 90)
    assert all(abs(a - b) <= 0.5 for a, b in zip(stored.boxes[0].corners, true.corners))


# -- broken imports -----------------------------------------------------------------------------


def first_box(labels, **changes):
    box = labels[0].boxes[0]
    values = dict(name=box.name, x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2) | changes
    return [
        ImageLabels(labels[0].image, labels[0].width, labels[0].height, (Box(**values),)),
        *labels[1:],
    ]


def edited(path, pattern, text):
    content = path.read_text()
    changed = re.sub(pattern, text, content, count=1)
    assert changed != content
    path.write_text(changed)
    return path


def stranger(project, image):
    first = project.labels()[0]
    return project.export(labels=[*project.labels()[1:], first.named(image)])


def other(project):
    asked = set(read_ids(project.batch() / "picks.txt"))
    return next(name for name in sorted(project.truth) if name not in asked and "test" not in name)


BROKEN = {
    "no such file": (lambda p: p.folder / "gone.json", "gone.json"),
    "empty file": (lambda p: _write(p, "a.json", ""), "format|JSON"),
    "cut JSON": (lambda p: _write(p, "a.json", p.export().read_text()[:-20]), "no valid JSON"),
    "JSON of another kind": (lambda p: _write(p, "a.json", '{"a": 1}'), "format"),
    "cut XML": (lambda p: _write(p, "a.xml", p.export("cvat").read_text()[:-20]), "XML"),
    "XML with entities": (
        lambda p: _write(
            p, "a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>'
        ),
        "entit",
    ),
    "a picture": (lambda p: next(p.photos.glob("*.jpg")), "format"),
    "an empty folder": (lambda p: _folder(p), "format|no "),
    "unknown class": (
        lambda p: edited(next(p.export("voc").rglob("*.xml")), "<name>", "<name>un"),
        "of the class 'un.* .perhaps '.*rename them",
    ),
    "unknown image": (lambda p: stranger(p, "nobody.jpg"), "'nobody.jpg' is none of this project"),
    "image of another batch": (lambda p: stranger(p, other(p)), "was not asked for in the batch"),
    "what was handed out": (lambda p: p.batch() / "to_label", "was handed out; give what"),
    "box outside": (
        lambda p: p.export(labels=first_box(p.labels(), x2=9999.0)),
        "outside the image of",
    ),
    "box left of the image": (
        lambda p: p.export("cvat", first_box(p.labels(), x1=-30.0)),
        "outside the image of",
    ),
    "box without area": (
        lambda p: p.export(labels=first_box(p.labels(), x1=5.0, x2=5.0)),
        "without area",
    ),
    "inverted box": (
        lambda p: p.export("cvat", first_box(p.labels(), x1=9.0, x2=5.0)),
        "edge lies before",
    ),
    "NaN": (lambda p: edited(p.export(), r'"bbox": \[[^,]*', '"bbox": [NaN'), "number"),
    "too few numbers": (
        lambda p: edited(p.export(), r'"bbox": \[[^\]]*', '"bbox": [1, 2, 3'),
        "bbox|numbers",
    ),
    "a size that is not the image's": (
        lambda p: edited(p.export(), r'"width": \d+', '"width": 999'),
        "pixels, but its boxes are",
    ),
    "the same image twice": (lambda p: _twice(p), "twice|two ways"),
    "a model's proposal": (
        lambda p: p.export(labels=first_box(p.labels(), score=0.5)),
        "nobody has checked",
    ),
    "a polygon": (
        lambda p: edited(
            p.export("cvat"), r"<box [^>]*?/>", '<polygon label="1" points="1,1;9,1;9,9" />'
        ),
        "polygon",
    ),
    "a rotated box": (
        lambda p: edited(p.export("label_studio"), r'"rotation": 0(\.0)?', '"rotation": 30'),
        "rotat",
    ),
    "two people disagree": (lambda p: _two_annotators(p), "annotation"),
    "numbers of classes without names": (
        lambda p: _yolo(p),
        "If the tool had those of this project, copy .*initial/to_label/classes.txt.",
    ),
    "an image by two names": (
        lambda p: p.export(labels=[*p.labels(), *_moved(p, "photos/")]),
        "'photos/.*' occurs twice with other boxes",
    ),
    "a name of two images": (lambda p: _ambiguous(p), "may mean the image '.*jpg' or '.*png'"),
    "category that is not defined": (
        lambda p: edited(p.export(), r'"category_id": \d+', '"category_id": 99'),
        "99",
    ),
    "VOC without a coordinate": (
        lambda p: _edit_folder(p.export("voc"), r"<xmin>.*?</xmin>", ""),
        "xmin",
    ),
    "no label at all": (
        lambda p: p.export("label_studio", []),
        "no image of the batch|no image|empty|holds no",
    ),
}


def _write(project, name, text):
    path = project.folder / name
    path.write_text(text)
    return path


def _folder(project):
    path = project.folder / "nothing"
    path.mkdir()
    return path


def _edit_folder(folder, pattern, text):
    for file in sorted(folder.rglob("*.xml")):
        if re.search(pattern, file.read_text()):
            edited(file, pattern, text)
            return folder
    raise AssertionError("nothing to edit")


def _twice(project):
    path = project.export("cvat")
    images = re.findall(r"<image .*?</image>", path.read_text(), re.DOTALL)
    other_box = re.sub(r'xtl="[^"]*"', 'xtl="0"', images[0])
    assert other_box != images[0]
    return edited(path, re.escape(images[0]), images[0] + other_box)


def _yolo(project):
    folder = project.folder / "yolo"
    folder.mkdir()
    for image in project.labels():
        (folder / image.image).with_suffix(".txt").write_text("0 0.5 0.5 0.2 0.2\n")
    return folder


def _moved(project, folder):
    """The first image by the name that it has in a folder, with other boxes."""
    labels = first_box(project.labels(), x1=0.0, y1=0.0)[:1]
    return [labels[0].named(folder + labels[0].image)]


def _ambiguous(project):
    """Another photo has the name of one that was not asked for, but for its suffix."""
    name = other(project)
    Image.open(project.photos / name).save((project.photos / name).with_suffix(".png"))
    return stranger(project, name.partition(".")[0])


def _two_annotators(project):
    path = project.export("label_studio")
    tasks = json.loads(path.read_text())
    task = next(t for t in tasks if t["annotations"][0]["result"])
    task["annotations"].append(dict(result=[]))
    path.write_text(json.dumps(tasks))
    return path


def test_broken_imports_change_nothing_and_get_one_sentence(waiting):
    """One project for all cases: each must leave it as it was, so the next finds it whole."""
    before = waiting.files()
    for case, (make, sentence) in BROKEN.items():
        status, out, err = waiting.bring(make(waiting), "--partial", "continue")
        assert status == 2, (case, out)
        assert err.startswith("error: ") and err.count("\n") == 1, (case, err)
        assert re.search(sentence, err), (case, err)
        assert waiting.files() == before, case
    assert len(BROKEN) >= 20


def test_an_import_needs_a_batch_that_waits(project, finished):
    project.init()
    status, _, err = project.bring(project.folder / "test")
    assert status == 2 and "holds no run" in err
    project.loop()
    labels = project.export()
    project.bring(labels, "--without-boxes", "checked")
    status, _, err = project.bring(labels)
    assert status == 2 and "has its labels already" in err
    project.loop("--resume")
    status, _, err = project.bring(labels)  # of the batch before
    assert status == 2 and "belongs to an earlier batch" in err
    status, _, err = project.run("import_labels.py", finished, labels)
    assert status == 2 and "oracle='simulated'" in err
    for more in (), ("--partial", "wait"):
        status, _, err = project.run("import_labels.py", project.work_dir, *more)
        assert status == 2 and "No file is given; name the exported file" in err
    (project.batch() / "picks.txt").unlink()  # as it is while the next is being chosen
    for place in project.work_dir, project.folder / "cells":  # the folder of the project
        status, _, err = project.run("import_labels.py", place, labels)
        assert status == 2 and f"No batch in {project.work_dir} waits for labels" in err
    shutil.rmtree(project.work_dir)
    status, _, err = project.run("import_labels.py", project.folder / "cells", labels)
    assert status == 2 and f"{project.work_dir} holds no run" in err


def test_one_run_a_project(waiting):
    """Another would take the answers of the first for its own."""
    status, _, err = waiting.run("al_loop.py", waiting.config, "--seed", 1)
    assert status == 2 and "belong to the run in" in err
    status, _, err = waiting.run("al_loop.py", waiting.config, "--work-dir", waiting.photos / "w")
    assert status == 2 and "lies in the folder of images" in err


def test_a_first_batch_without_any_object(waiting):
    """Nothing could be learnt from it: it is refused before it is taken over."""
    empty = [replace(labels, boxes=()) for labels in waiting.labels()]
    before = waiting.files()
    status, _, err = waiting.bring(waiting.export("cvat", empty), "--without-boxes", "checked")
    assert status == 2 and "nothing to learn from" in err
    assert waiting.files() == before


def test_test_images_without_any_object(project):
    """Nothing could be measured on them: refused as a folder, and in a first batch."""
    for file in (project.folder / "test").iterdir():
        file.write_text(re.sub("<object>.*</object>", "", file.read_text(), flags=re.DOTALL))
    assert project.init()[0] == 0
    status, _, err = project.run("al_loop.py", project.config)
    assert status == 2 and "No label of the test images" in err and not project.work_dir.exists()
    shutil.rmtree(project.folder / "cells")
    assert project.init(test=False)[0] == 0
    project.loop()
    test = read_ids(project.folder / "cells/test.txt")
    labels = [replace(i, boxes=()) if i.image in test else i for i in project.labels()]
    status, _, err = project.bring(project.export("voc", labels), "--without-boxes", "checked")
    assert status == 2 and "None of the test images shows an object" in err


def test_a_photo_that_went_before_its_labels_came(waiting):
    labels = waiting.export()
    (waiting.photos / waiting.labels()[0].image).unlink()
    status, _, err = waiting.bring(labels)
    assert status == 2 and "is gone from its folder; restore it" in err


def test_a_kill_while_the_first_batch_is_chosen(project, monkeypatch):
    """The test images are in the batch whenever it is there."""
    project.init("--first", "coverage", test=False)
    write = loop.write_ids
    monkeypatch.setattr(loop, "write_ids", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert project.run("al_loop.py", project.config)[0] == 130
    monkeypatch.setattr(loop, "write_ids", write)
    assert "label the 9 images" in project.loop("--resume")
