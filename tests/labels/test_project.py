"""Which labels of a file a project takes, and what is said of the rest."""

import shutil
import time
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from ads_det.data.notes import Notes
from ads_det.data.readable import list_images
from ads_det.errors import ADSError
from ads_det.files import write_text
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.claims import claimed_images
from ads_det.labels.class_names import perhaps
from ads_det.labels.coco import write_coco
from ads_det.labels.complete import complete
from ads_det.labels.project import find_labels
from ads_det.labels.store import LabelStore

DOG = Box("dog", 1, 1, 5, 5)
TINY = Box("dog", 10, 5, 10.4, 5.4)


@pytest.fixture
def paths(tmp_path):
    """Of two images of 20x10 pixels."""
    for name in ("a.png", "b.png"):
        Image.new("RGB", (20, 10)).save(tmp_path / name)
    return {name: str(tmp_path / name) for name in ("a.png", "b.png")}


@pytest.mark.parametrize(
    ("size", "problem"),
    [
        ((20, 10), None),
        ((0, 0), None),
        (
            (10, 20),
            "'a.png' is 20x10 as viewers show it, but its boxes are for 10x20: its labels sw",
        ),
        ((40, 20), "'a.png' has 20x10 pixels, but its boxes are for 40x20"),
    ],
)
def test_labels_of_an_image_of_another_size(paths, size, problem):
    given = ImageLabels("a.png", *size, (DOG,))
    found, said = complete(given, paths["a.png"], ["dog"])
    if problem is None:
        assert said is None and found == ImageLabels("a.png", 20, 10, (DOG,))
    else:
        assert said.startswith(problem) and found is given


def test_width_and_height_are_swapped_by_a_tag_or_by_a_tool(paths):
    """Only where the file has a tag can the tool have ignored it."""
    tall = ImageLabels("a.png", 10, 20, (Box("dog", 1, 12, 5, 18),))
    assert "tag" not in complete(tall, paths["a.png"], ["dog"])[1]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (10, 20)).save(paths["a.png"], exif=exif)
    problem = complete(tall, paths["a.png"], ["dog"])[1]
    assert (
        "20x10 as viewers show it, but its boxes are for 10x20: the annotation tool ig" in problem
    )


@pytest.mark.parametrize("box", [TINY, Box("dog", 0.1, 0.2, 0.4, 0.5), Box("dog", 3, 3, 9, 3.5)])
def test_a_box_that_no_training_could_use(paths, box):
    given = ImageLabels("a.png", 20, 10, (DOG, box))
    found, problem = complete(given, paths["a.png"], ["dog"])
    assert found is given and "less than a pixel wide or high" in problem
    assert given.usable().boxes == (DOG,)


def test_boxes_in_parts_of_the_image_instead_of_per_cents(tmp_path):
    """Some pixels wide in a large image, so that each of them could be meant."""
    Image.new("RGB", (1000, 800)).save(tmp_path / "a.png")
    boxes = (Box("dog", 1, 1, 4, 4), Box("dog", 3, 2, 9, 7))
    write_coco([ImageLabels("a.png", 1000, 800, boxes)], ["dog"], tmp_path / "a.json")
    with pytest.raises(ADSError, match="all 2 boxes lie in the upper left hundredth"):
        find_labels(tmp_path / "a.json", {"a.png": str(tmp_path / "a.png")}, [], "skip")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Café", "by case"),
        ("café ", "by a blank"),
        ("cafe\u0301", "by how their accents are stored"),
        ("CAFE\u0301", "by case, blanks or accents"),
    ],
)
def test_a_class_in_another_spelling_is_no_other_class(paths, tmp_path, name, why):
    """Its objects would be background."""
    other = Box(name, 2, 2, 6, 6)
    both = [
        ImageLabels("a.png", 20, 10, (Box("café", 1, 1, 5, 5),)),
        ImageLabels("b.png", 20, 10, (other,)),
    ]
    write_coco(both, ["café", name], tmp_path / "labels.json")
    with pytest.raises(ADSError, match=f"--classes names 'café', which differs {why}; write"):
        find_labels(tmp_path / "labels.json", paths, ["café"], "checked")
    assert perhaps(name, ["café"]).endswith(f"(perhaps 'café', which differs {why})")
    notes = Notes()
    notes.other_classes[name] += 1
    with pytest.raises(ADSError, match=f"names 'café', which differs {why}; write"):
        notes.report("the data set", ["café"], 1, False)


def test_labels_of_an_image_that_cannot_be_read(tmp_path):
    (tmp_path / "a.png").write_text("no image")
    given = ImageLabels("a.png", 20, 10, (DOG,))
    found, problem = complete(given, tmp_path / "a.png", ["dog"])
    assert found is given and problem.startswith("'a.png' cannot be read; restore it")


CAT = Box("cat", 2, 2, 6, 6)


def test_two_corners_where_width_and_height_are_wanted(paths, tmp_path):
    """Those that happen to fit are as wrong as the others."""
    fitting, far = Box("dog", 1, 1, 6, 6), Box("dog", 12, 5, 30, 13)
    for of_b, refuses in (((far,) * 3 + (fitting,), False), ((far,) * 4, True)):
        both = [ImageLabels("a.png", 20, 10, (fitting,) * 3), ImageLabels("b.png", 20, 10, of_b)]
        write_coco(both, ["dog"], tmp_path / "labels.json")
        if refuses:
            with pytest.raises(ADSError, match="4 of 7 boxes reach far beyond their images, so"):
                find_labels(tmp_path / "labels.json", paths, [], "checked")
        else:
            assert list(find_labels(tmp_path / "labels.json", paths, [], "checked").images) == [
                "a.png"
            ]


@pytest.fixture
def splits(tmp_path):
    """Two folders with images of the same names and sizes, one grey and one white."""
    for folder, grey in (("train", 128), ("val", 255)):
        (tmp_path / folder).mkdir()
        for name in ("a.png", "b.png"):
            Image.new("L", (20, 10), grey).save(tmp_path / folder / name)
    return {name: str(tmp_path / "val" / name) for name in ("a.png", "b.png")}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("folder", ["val/", "data/val/", ""])
def test_labels_of_another_split_are_not_those_of_its_namesakes(splits, tmp_path, order, folder):
    of_train = ImageLabels("train/a.png", 20, 10, (DOG,))
    of_val = ImageLabels(f"{folder}a.png", 20, 10, (CAT,))
    file = tmp_path / "labels.json"
    write_coco([of_train, of_val][::order], ["cat", "dog"], file)
    for is_there in (True, False):  # the other split, on this disk
        found = find_labels(file, splits, [], "checked")
        assert {name: image.boxes for name, image in found.images.items()} == {"a.png": (CAT,)}
        assert found.problems == [
            f"'train/a.png' of labels.json is no image of the folder, but {tmp_path}/train/a.png"
            if is_there
            else "'train/a.png' of labels.json was passed over: "
            f"'{folder}a.png' is nearer to 'a.png'"
        ]
        shutil.rmtree(tmp_path / "train", ignore_errors=True)


def test_labels_of_another_split_alone(splits, tmp_path):
    write_coco([ImageLabels("train/a.png", 20, 10, (DOG,))], ["dog"], tmp_path / "labels.json")
    with pytest.raises(ADSError, match="labels none of the images. .*'train/a.png' of labels.json"):
        find_labels(tmp_path / "labels.json", splits, [], "checked")
    shutil.copy(splits["a.png"], tmp_path / "train/a.png")  # the same image, elsewhere
    assert list(find_labels(tmp_path / "labels.json", splits, [], "checked").images) == ["a.png"]
    with Image.open(splits["a.png"]) as image:
        image.save(tmp_path / "train/a.png", compress_level=0)  # the same, saved once more
    assert (tmp_path / "train/a.png").read_bytes() != Path(splits["a.png"]).read_bytes()
    assert list(find_labels(tmp_path / "labels.json", splits, [], "checked").images) == ["a.png"]


@pytest.mark.parametrize(
    "folder", ["/somewhere/train", "../train", "C:\\data\\train", "elsewhere", "x" * 300]
)
def test_names_of_other_machines(splits, tmp_path, folder):
    file = tmp_path / "labels.json"
    write_coco([ImageLabels(f"{folder}/a.png", 20, 10, (DOG,))], ["dog"], file)
    if "train" in folder:
        with pytest.raises(ADSError, match="is no image of the folder, but .*train/a.png"):
            find_labels(file, splits, [], "checked")
    else:
        assert list(find_labels(file, splits, [], "checked").images) == ["a.png"]


def test_of_two_names_the_one_with_boxes_the_suffix_or_the_accents(tmp_path):
    """Of an image that two names may mean, where one says nothing or is the very name."""
    (tmp_path / "val").mkdir()
    for name in ("a.png", "é.png"):
        Image.new("L", (20, 10)).save(tmp_path / "val" / name)
    paths = {name: str(tmp_path / "val" / name) for name in ("a.png", "é.png")}
    decomposed = unicodedata.normalize("NFD", "val/é.png")
    for names, image in (
        (("t/a.png", "a.png"), "a.png"),
        (("a.jpg", "a.png"), "a.png"),
        (("train/é.png", decomposed), "é.png"),
    ):
        wrong, right = (ImageLabels(n, 20, 10, (b,)) for n, b in zip(names, (CAT, DOG)))
        write_coco([wrong, right], ["cat", "dog"], tmp_path / "labels.json")
        found = find_labels(tmp_path / "labels.json", paths, [], "skip")
        assert found.images[image].boxes == (DOG,)
    empty = ImageLabels("t/a.png", 20, 10, (), checked=None)
    for both in ([empty, ImageLabels("u/a.png", 20, 10, (DOG,))], [empty, right]):
        write_coco(both, ["dog"], tmp_path / "labels.json")
        found = find_labels(tmp_path / "labels.json", paths, [], "skip")
        assert [image.boxes for image in found.images.values()] == [(DOG,)]


def test_many_names_of_one_image_take_no_square_of_time(paths):
    images = [ImageLabels(f"v{k}/a.png", 20, 10, (DOG,)) for k in range(4000)]
    started = time.process_time()
    assert len(claimed_images(images, paths, "labels.json", [])) == 4000
    assert time.process_time() - started < 5


def test_two_names_of_which_none_is_nearer(paths, tmp_path):
    file = tmp_path / "labels.json"
    both = [ImageLabels(f"{folder}/a.png", 20, 10, (DOG,)) for folder in "xy"]
    write_coco(both, ["dog"], file)
    assert find_labels(file, paths, [], "checked").images["a.png"].boxes == (DOG,)
    write_coco([both[0], ImageLabels("y/a.png", 20, 10, (CAT,))], ["cat", "dog"], file)
    with pytest.raises(ADSError, match="labels of 'x/a.png' and 'y/a.png', either of which may be"):
        find_labels(file, paths, [], "checked")


def test_without_an_import_there_is_none_to_undo(tmp_path):
    with pytest.raises(ADSError, match="holds no labels, so there is no import to undo"):
        LabelStore(tmp_path).last()


def test_what_systems_add_to_a_folder_is_no_image_of_it(tmp_path):
    for name in ("a/b.jpg", "@eaDir/c.jpg", "a/$RECYCLE.BIN/d.jpg", "__MACOSX/e.jpg", ".x/f.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert list(list_images(tmp_path)) == ["a/b.jpg"]
    with pytest.raises(ADSError, match=r"b.jpg is a file, where a folder of images is wanted"):
        list_images(tmp_path / "a/b.jpg")


def test_a_name_that_is_no_text_is_not_written(tmp_path):
    with pytest.raises(ADSError, match=r"'caf\\udce9', in which a name .* is no UTF-8 text"):
        write_text(tmp_path / "a.txt", "caf\udce9")
    assert not list(tmp_path.iterdir())


def test_a_tool_that_ignores_one_tag_ignores_all(tmp_path):
    """An image upside down has the size that the tool states all the same."""
    paths = {}
    for name, tag in ("plain.jpg", None), ("side.jpg", 6), ("down.jpg", 3):
        image = Image.new("RGB", (20, 10))
        exif = image.getexif()
        if tag:
            exif[0x0112] = tag
        paths[name] = str(tmp_path / name)
        image.save(paths[name], exif=exif)
    file = tmp_path / "labels.json"
    known = ["plain.jpg", "down.jpg"]
    write_coco([ImageLabels(name, 20, 10, (DOG,)) for name in known], ["dog"], file)
    assert list(find_labels(file, paths, [], "skip").images) == known
    write_coco([ImageLabels(name, 20, 10, (DOG,)) for name in paths], ["dog"], file)
    found = find_labels(file, paths, [], "skip")
    assert list(found.images) == ["plain.jpg"]
    assert "'down.jpg' has an orientation tag, which the annotation tool" in found.problems[1]
    paths["right.jpg"] = str(shutil.copy(paths["side.jpg"], tmp_path / "right.jpg"))
    right = [ImageLabels("right.jpg", 10, 20, (DOG,)), ImageLabels("side.jpg", 20, 10, (DOG,))]
    write_coco(right, ["dog"], file)
    assert list(find_labels(file, paths, [], "skip").images) == ["right.jpg"]


def test_files_that_are_named_by_a_year_are_no_imports(tmp_path, paths):
    for year in "2007", "2012":
        write_coco([ImageLabels("a.png", 20, 10, (DOG,))], ["dog"], tmp_path / f"{year}_train.json")
    with pytest.raises(ADSError, match="holds 2 files of labels"):
        find_labels(tmp_path, paths, [], "skip")
