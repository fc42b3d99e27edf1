"""Which labels of a file a project takes, and what is said of the rest."""

import pytest
from PIL import Image

from ads_det.errors import ADSError
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.coco import write_coco
from ads_det.labels.complete import complete
from ads_det.labels.project import find_labels
from ads_det.labels.store import LabelStore

DOG = Box("dog", 1, 1, 5, 5)


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
        ((10, 20), "'a.png' is 20x10 as viewers show it, but its boxes are for 10x20"),
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


def test_labels_of_an_image_that_cannot_be_read(tmp_path):
    (tmp_path / "a.png").write_text("no image")
    given = ImageLabels("a.png", 20, 10, (DOG,))
    found, problem = complete(given, tmp_path / "a.png", ["dog"])
    assert found is given and problem.startswith("'a.png' cannot be read; restore it")


def test_of_two_descriptions_of_an_image_the_first_is_taken_and_the_other_named(paths, tmp_path):
    cat = Box("cat", 2, 2, 6, 6)
    both = [ImageLabels("a.png", 20, 10, (DOG,)), ImageLabels("x/a.png", 20, 10, (cat,))]
    write_coco(both, ["cat", "dog"], tmp_path / "labels.json")
    found = find_labels(tmp_path / "labels.json", paths, [], "checked")
    assert found.images == {"a.png": both[0]}
    assert found.problems == ["'a.png' occurs twice with other boxes; the first was taken"]


def test_without_an_import_there_is_none_to_undo(tmp_path):
    with pytest.raises(ADSError, match="holds no labels, so there is no import to undo"):
        LabelStore(tmp_path).last()
