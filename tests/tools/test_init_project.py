"""What a folder of images becomes, and what is said of it."""

import shutil
from argparse import Namespace

import pytest
from helpers import CONFIGS
from mmengine.config import Config
from PIL import Image

from ads_det.active.settings import load_config
from ads_det.commands.work.init import _whole_lists, fit_input
from ads_det.engine.datasets import candidate_dataset
from ads_det.files import read_ids
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.coco import write_coco
from ads_det.labels.store import LabelStore


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for i in range(20):
        path = folder / f"day {i % 2}/{i:02d}.{'png' if i % 3 else 'JPG'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (i * 9, 0, 0)).save(path)
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def init(run, photos, tmp_path):
    """Run the tool; returns status, output, errors."""
    return lambda *options: run("init_project.py", photos, "--out", tmp_path / "p/dogs", *options)


def labels(photos, number=8, **changes):
    names = sorted(p.relative_to(photos).as_posix() for p in photos.rglob("*.*g"))[:number]
    box = dict(name="dog", x1=2.0, y1=3.0, x2=20.0, y2=25.0) | changes
    return [ImageLabels(name, 40, 30, (Box(**box),)) for name in names]


def test_the_config_is_short_and_whole(init, photos, tmp_path):
    status, out, err = init("--classes", "dog", 'it\'s a "cat"', "--initial", 5, "--budget", 5)
    assert status == 0, err
    assert "20 images, 0 of them unreadable" in out and "classes: dog, it's a" in out
    cfg = load_config(tmp_path / "p/dogs/dogs.py")
    assert cfg.active_learning.oracle == "human" and cfg.active_learning.cycles == 3
    assert cfg.model.bbox_head.num_classes == 2
    test = read_ids(tmp_path / "p/dogs/test.txt")
    assert len(test) == 2  # a tenth of all
    pool = candidate_dataset(cfg).image_ids()
    assert len(pool) == 18 and not set(pool) & set(test)
    assert len((tmp_path / "p/dogs/dogs.py").read_text().splitlines()) < 30


def test_what_would_not_be_used_is_refused_or_said(init, photos, tmp_path):
    write_coco(labels(photos), ["dog"], tmp_path / "a.json")
    status, _, err = init("--labels", tmp_path / "a.json", "--classes", "DOG", "--budget", 2)
    assert status == 2 and "objects of the class 'dog', but --classes names 'DOG'" in err
    assert "differs by case; write both in the same way" in err
    status, _, err = init("--labels", tmp_path / "a.json", "--classes", "cat", "--budget", 2)
    assert status == 2 and "is of the classes 'cat'; it has 'dog'. Correct --classes" in err
    same = ("--labels", tmp_path / "a.json", "--test", tmp_path / "a.json", "--budget", 2)
    status, _, err = init(*same)
    assert status == 2 and "label the same images" in err
    write_coco(labels(photos, 3), ["dog"], tmp_path / "b.json")
    status, out, _ = init("--labels", tmp_path / "a.json", "--test", tmp_path / "b.json")
    assert "3 image(s) are in --labels and in --test" in out or status == 2
    shutil.rmtree(tmp_path / "p", ignore_errors=True)
    for path in list(photos.rglob("*.png")):
        path.write_bytes(path.read_bytes()[:-30])
    status, _, err = init("--classes", "dog", "--initial", 9, "--budget", 9, "--cycles", 4)
    assert status == 2 and "cannot be read: '" in err
    normal = dict(x1=0.1, y1=0.1, x2=0.4, y2=0.5)
    write_coco(labels(photos, 8, **normal), ["dog"], tmp_path / "c.json")
    status, _, err = init("--labels", tmp_path / "c.json", "--budget", 2)
    assert status == 2 and "numbers from 0 to 1, as parts of the image" in err


def test_photos_of_other_kinds_are_named(init, photos, tmp_path, monkeypatch):
    (photos / "x.HEIC").write_bytes(b"x")
    status, out, err = init("--classes", "dog", "--initial", 5, "--budget", 5)
    assert status == 0 and "1 file(s) in" in out and "(.HEIC), such as x.HEIC" in out, err


def test_an_unreadable_photo_is_left_out_of_the_run(init, photos, run, tmp_path):
    broken = next(photos.rglob("*.JPG"))
    broken.write_bytes(broken.read_bytes()[:-200])
    assert init("--classes", "dog", "--initial", 5, "--budget", 5)[0] == 0
    status, out, err = run("al_loop.py", tmp_path / "p/dogs/dogs.py")
    assert status == 0 and "Left out 1 image(s) of the pool" in out, err


def test_the_same_seed_gives_the_same_test_images(init, tmp_path):
    lists = []
    for seed in (0, 0, 1):
        shutil.rmtree(tmp_path / "p", ignore_errors=True)
        options = ("--classes", "dog", "--initial", 10, "--budget", 2, "--test-share", 0.3)
        assert init(*options, "--seed", seed)[0] == 0
        lists.append(read_ids(tmp_path / "p/dogs/test.txt"))
    assert lists[0] == lists[1] != lists[2]


def test_problems_are_named_and_cost_only_their_image(init, photos, tmp_path):
    given = labels(photos)
    given[0] = labels(photos, x2=90.0)[0]
    given[1] = labels(photos, name="cat")[1]
    given[2] = given[2].named("gone.png")
    given[3] = ImageLabels(given[3].image, 40, 30, (), checked=None)
    (photos / "broken.png").write_bytes(b"nothing")
    write_coco(given, ["dog", "cat"], tmp_path / "given.json")
    options = ("--labels", tmp_path / "given.json", "--budget", 4, "--classes", "dog")
    status, out, err = init(*options)
    assert status == 0, err
    assert "21 images, 1 of them unreadable" in out and "5 labelled: 4 boxes (dog 4)" in out
    for problem in (
        "'broken.png' cannot be read",
        f"'{given[0].image}' has a box (2, 3, 90, 25) outside",
        "1 object(s) of the class 'cat', which --classes does not name",
        "'gone.png' of given.json is no image",
        "1 image(s) are listed without a box",
    ):
        assert f"problem: {problem}" in out, out
    stored = LabelStore(tmp_path / "p/dogs/labels").read()
    assert len(stored) == 5 and not stored[given[1].image].boxes
    shutil.rmtree(tmp_path / "p")
    assert "6 labelled" in init(*options, "--without-boxes", "checked")[1]


def test_of_many_problems_some_are_named(init, photos, tmp_path):
    given = [*labels(photos), *(ImageLabels(f"gone {i}.png", 40, 30) for i in range(25))]
    write_coco(given, ["dog"], tmp_path / "given.json")
    status, out, err = init("--labels", tmp_path / "given.json", "--budget", 4)
    assert status == 0, err
    assert out.count("problem: 'gone ") == 20 and "problem: (and 5 more)" in out


def test_a_detector_whose_config_does_not_fit_leaves_no_config_behind(init, tmp_path):
    base = tmp_path / "own.py"
    base.write_text(f"_base_ = {str(DIGITS_CONFIG)!r}\nactive_learning = dict(min_gain=2)\n")
    options = ("--classes", "dog", "--initial", 5, "--budget", 5)
    status, _, err = init(*options, "--detector", base)
    assert status == 2 and err.count("\n") == 1
    assert f"--detector {base} does not fit: active_learning.min_gain is 2" in err
    assert not (tmp_path / "p/dogs/dogs.py").exists()
    base.write_text(f"_base_ = {str(DIGITS_CONFIG)!r}\n")
    status, _, err = init(*options, "--detector", base)  # once it is corrected
    assert status == 0, err


def test_numbers_of_classes_in_lists_are_set_by_the_whole_list():
    """A config that inherits cannot change a part of a list; what is in none it can."""
    stages = [dict(type="A", num_classes=80), dict(type="B", num_classes=80)]
    model = dict(rpn_head=dict(num_classes=80), roi_head=dict(bbox_head=stages, k=1))
    changed = [dict(type="A", num_classes=3), dict(type="B", num_classes=3)]
    assert _whole_lists(model, 3) == dict(model=dict(roi_head=dict(bbox_head=changed)))
    assert stages[0]["num_classes"] == 80


def test_a_base_without_a_size_of_its_input_is_taken_as_it_is():
    pipeline = [dict(type="LoadImageFromFile"), dict(type="PackDetInputs")]
    loader = dict(dataset=dict(pipeline=pipeline))
    base = Config(dict(candidate_dataloader=loader, test_dataloader=loader))
    assert fit_input(base, Namespace(input_size=None), {}, []) == ("", [])


def test_yolo_labels_and_classes_of_their_own(init, photos, tmp_path):
    folder = tmp_path / "yolo"
    for item in labels(photos):
        path = (folder / item.image).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1 0.5 0.5 0.5 0.5\n")
    (folder / "classes.txt").write_text("cat\ndog\n")
    status, out, err = init("--labels", folder, "--budget", 4)
    assert status == 0, err
    assert "classes: dog" in out
    box = next(iter(LabelStore(tmp_path / "p/dogs/labels").read().values())).boxes[0]
    assert box == Box("dog", 10.0, 7.5, 30.0, 22.5)


def written(tmp_path):
    """Test images, pool and first images of the config."""
    cfg = load_config(tmp_path / "p/dogs/dogs.py")
    initial = cfg.active_learning.initial
    first = initial if isinstance(initial, int) else read_ids(initial)
    return read_ids(tmp_path / "p/dogs/test.txt"), candidate_dataset(cfg).image_ids(), first


@pytest.mark.parametrize("labelled", [True, False])
def test_a_copy_of_a_test_image_is_left_out(init, photos, tmp_path, labelled):
    for path in list(photos.rglob("*.png")):
        shutil.copyfile(path, path.with_name(f"{path.stem} (1){path.suffix}"))
    write_coco(labels(photos, 16), ["dog"], tmp_path / "a.json")
    given = ("--labels", tmp_path / "a.json") if labelled else ("--initial", 5)
    status, out, err = init("--classes", "dog", "--budget", 4, *given)
    assert status == 0, err
    test, pool, first = written(tmp_path)
    original = {name: name.replace(" (1)", "") for name in [*test, *pool]}
    tests, others = ({original[name] for name in part} for part in (test, pool))
    assert tests and not tests & others and "is a copy of the test image" in out
    assert len(pool) == 33 - 2 * len(tests)
    assert not labelled or set(first) <= set(pool)


@pytest.mark.parametrize("number", [1, 2, 5])
def test_test_and_first_images_both_show_objects(init, photos, tmp_path, number):
    """Else the run would refuse what init has chosen."""
    given = [
        labelled if i < number else ImageLabels(labelled.image, 40, 30)
        for i, labelled in enumerate(labels(photos, 10))
    ]
    write_coco(given, ["dog"], tmp_path / "a.json")
    options = ("--labels", tmp_path / "a.json", "--without-boxes", "checked", "--budget", 4)
    status, out, err = init(*options, "--initial", 6)
    assert status == 0, err
    test, _, first = written(tmp_path)
    shows = {item.image for item in given[:number]}
    if number == 1:
        assert first == 6 and "of the 10 labelled images 1 show(s) an object, and 2 must" in out
    else:
        assert shows & set(test) and shows & set(first)
    shutil.rmtree(tmp_path / "p")
    write_coco([ImageLabels(given[-1].image, 40, 30)], ["dog"], tmp_path / "b.json")
    status, out, err = init(*options, "--test", tmp_path / "b.json", "--initial", 6)
    assert status == 0, err
    assert "b.json labels shows an object, so a run cannot measure on them" in out


def test_a_single_labelled_image_is_not_all_that_is_measured_on(init, photos, tmp_path):
    write_coco(labels(photos, 1), ["dog"], tmp_path / "a.json")
    status, _, err = init("--labels", tmp_path / "a.json", "--budget", 4, "--initial", 10)
    assert status == 0, err
    test, _, first = written(tmp_path)
    assert len(test) == 2 and first == 10


DIGITS_CONFIG = CONFIGS / "ssd_digits_ads.py"
REFUSED = {
    "no class": ((), "No class is known"),
    "class twice": (("--classes", "dog", "dog"), "'dog' twice"),
    "commas": (("--classes", "cat,", "dog"), "--classes has 'cat,'; put blanks, not commas"),
    "semicolon": (("--classes", "cat;dog"), "--classes has 'cat;dog'; put blanks"),
    "brackets": (("--classes", "[cat", "dog]"), "--classes has '[cat', a bracket without its"),
    "a list of classes": (("--classes", "classes.txt"), "'classes.txt', which is the name of a"),
    "initial 0": (("--classes", "dog", "--initial", 0), "--initial is 0"),
    "budget below 1": (("--classes", "dog", "--budget", -3), "--budget is -3"),
    "share 1": (("--classes", "dog", "--test-share", 1.0), "--test-share is 1.0"),
    "too many images": (("--classes", "dog", "--initial", 30), "lower --initial, or add images"),
    "too many cycles": (
        ("--classes", "dog", "--initial", 5, "--budget", 5, "--cycles", 9),
        "9 cycles need 45",
    ),
    "no such labels": (("--labels", "gone.json"), "gone.json"),
    "no such base": (("--classes", "dog", "--base", "gone.py"), "gone.py does not exist"),
    "size of another detector": (
        ("--classes", "dog", "--base", DIGITS_CONFIG, "--input-size", 128),
        "--input-size is for the small SSD; set the scale",
    ),
    "no name": (("--classes", "dog", "--out", "."), "--out . has no name for the project"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(init, tmp_path, case):
    options, sentence = REFUSED[case]
    status, _, err = init(*options)
    assert status == 2 and err.startswith("error: ") and err.count("\n") == 1, err
    assert sentence in err
    assert not (tmp_path / "p").exists()


def test_a_project_is_never_overwritten(init, run, tmp_path):
    options = ("--classes", "dog", "--initial", 5, "--budget", 5)
    init(*options)
    status, _, err = init(*options)
    assert status == 2 and "already holds a project" in err
    empty = tmp_path / "empty"
    empty.mkdir()
    status, _, err = run("init_project.py", empty, "--classes", "a", "--out", tmp_path / "q")
    assert status == 2 and "holds no image" in err
