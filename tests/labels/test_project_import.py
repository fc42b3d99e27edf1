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
