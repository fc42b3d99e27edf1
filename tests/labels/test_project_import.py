"""What an import makes of a file, without a run."""

from types import SimpleNamespace

import pytest
from PIL import Image

from ads_det.active.labeling import OpenBatch
from ads_det.active.pool import Pool
from ads_det.errors import ADSError
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.coco import write_coco
from ads_det.labels.store import LabelStore
from ads_det.work_files import INITIAL

DOG = Box("dog", 1, 1, 5, 5)
TINY = Box("dog", 10, 5, 10.4, 5.4)


@pytest.fixture
def batch(tmp_path):
    """The first batch: an image to train and one to test on, of 20x10 pixels; one more is there."""
    opened = object.__new__(OpenBatch)
    opened.paths = {f"{name}.png": str(tmp_path / f"{name}.png") for name in "abc"}
    for path in opened.paths.values():
        Image.new("RGB", (20, 10)).save(path)
    files = SimpleNamespace(proposals=tmp_path / "p.json", shown=tmp_path / "shown.txt")
    opened.batch = SimpleNamespace(ids=["a.png", "b.png"], name=INITIAL, files=files)
    opened.test_ids, opened.classes = ["b.png"], ["dog"]
    opened.pool, opened.store = Pool(["a.png", "c.png"]), LabelStore(tmp_path / "labels")
    return opened


def labels(*boxes):
    return [ImageLabels(f"{n}.png", 20, 10, (box,)) for n, box in zip("abc", boxes)]


def test_boxes_under_a_pixel_are_not_taken_over(batch):
    with pytest.raises(ADSError, match="'b.png' has a box .* less than a pixel wide or high"):
        batch.check(labels(DOG, TINY))


@pytest.mark.parametrize(("first", "other", "what"), [(TINY, DOG, "first"), (DOG, TINY, "test")])
def test_labels_of_an_older_import_count_only_if_they_can_be_used(batch, first, other, what):
    """They were taken over when nothing refused them."""
    batch.store.add(labels(first, other), ["dog"], INITIAL)
    answer = SimpleNamespace(images=[], missing=[])
    with pytest.raises(ADSError, match=f"None of the {what} images shows an object"):
        batch.check_take(answer, True)


def test_boxes_that_are_all_in_the_corner(batch):
    for path in batch.paths.values():
        Image.new("RGB", (1000, 800)).save(path)
    with pytest.raises(ADSError, match="Nothing was imported: all 2 boxes lie in the upper left"):
        batch.check([ImageLabels(f"{name}.png", 0, 0, (DOG,)) for name in "ab"])


def test_classes_of_images_that_are_passed_over_do_not_matter(batch):
    found = labels(DOG, DOG, Box("dog ", 1, 1, 5, 5))
    answer = batch.check(found, ignore_others=True)
    assert [image.image for image in answer.images] == ["a.png", "b.png"]
    with pytest.raises(ADSError, match="'dog ' .perhaps 'dog', which differs by a blank"):
        batch.check(found)


def test_a_proposal_under_a_pixel_is_none(batch):
    """It is not handed out, so that what comes back untouched is without it."""
    proposed = [ImageLabels("a.png", 20, 10, (DOG, TINY))]
    write_coco(proposed, ["dog"], batch.batch.files.proposals)
    assert batch.check(labels(DOG, DOG)).untouched == ["a.png"]


def test_an_image_of_a_sibling_folder_is_none_of_the_project(batch, tmp_path):
    batch.paths = {n: str(tmp_path / "train" / n) for n in batch.paths}
    for folder, level in (("train", 0), ("val", 99)):
        (tmp_path / folder).mkdir()
        for name in batch.paths:
            Image.new("L", (20, 10), level).save(tmp_path / folder / name)
    found = [image.named(f"val/{image.image}") for image in labels(DOG, DOG)]
    with pytest.raises(ADSError, match="'val/a.png' is .*val/a.png, none of this project; correct"):
        batch.check(found)
    assert batch.check([*found, *labels(DOG, DOG)], ignore_others=True).missing == []
    for name in batch.paths:  # the same pictures
        Image.new("L", (20, 10), 0).save(tmp_path / "val" / name)
    assert len(batch.check(found).images) == 2


def test_a_name_that_also_fits_an_image_that_was_labelled_before(batch, tmp_path):
    for folder in "xy":
        (tmp_path / folder).mkdir()
        Image.new("RGB", (20, 10)).save(tmp_path / folder / "a.png")
    batch.paths = {n: str(tmp_path / n) for n in ("x/a.png", "y/a.png")}
    batch.batch.ids, batch.test_ids = ["x/a.png"], []
    batch.pool = Pool(["x/a.png", "y/a.png"])
    assert [i.image for i in batch.check(labels(DOG)).images] == ["x/a.png"]
    batch.pool.label(["y/a.png"], 0)
    assert [i.image for i in batch.check(labels(DOG)).images] == ["x/a.png"]  # this batch alone
    earlier = ImageLabels("y/a.png", 20, 10, (DOG,))
    with pytest.raises(ADSError, match="'a.png' may mean 'x/a.png' or, labelled before, 'y/a.png'"):
        batch.check([*labels(DOG), earlier], ignore_others=True)
