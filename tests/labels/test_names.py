"""Names that other tools give to images."""

import time
import unicodedata

import pytest

from ads_det.errors import ADSError
from ads_det.labels.names import ImageNames

IDS = ["a.jpg", "train/b.jpg", "val/b.jpg", "train/deep/c.png", "v1.2.jpg", "VOC2007/000005"]


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("a.jpg", "a.jpg"),
        ("train/b.jpg", "train/b.jpg"),
        ("c.png", "train/deep/c.png"),  # the end of an id
        ("deep/c.png", "train/deep/c.png"),
        ("images/train/b.jpg", "train/b.jpg"),  # the end of the name
        ("/home/someone/data/a.jpg", "a.jpg"),
        ("./val/b.jpg", "val/b.jpg"),
        ("..\\images\\train\\deep\\c.png", "train/deep/c.png"),
        ("a", "a.jpg"),  # no suffix
        ("labels/train/b", "train/b.jpg"),
        ("c", "train/deep/c.png"),
        ("c.jpg", "train/deep/c.png"),  # converted
        ("v1.2", "v1.2.jpg"),
        ("000005.jpg", "VOC2007/000005"),
        ("x.jpg", None),
        ("ain/b.jpg", None),  # parts of the path count, not letters
        ("jpg", None),
        ("v1", None),
        ("", None),
        ("train", None),
        ("A.jpg", None),
    ],
)
def test_match(name, image):
    assert ImageNames(IDS).match(name) == image


@pytest.mark.parametrize("name", ["b.jpg", "b"])
def test_a_name_of_two_images(name):
    with pytest.raises(ADSError, match="may mean the image 'train/b.jpg' or 'val/b.jpg'"):
        ImageNames(IDS).match(name)


def test_an_exact_name_is_never_ambiguous():
    assert ImageNames([*IDS, "b.jpg"]).match("b.jpg") == "b.jpg"
    assert ImageNames([*IDS, "b.jpg"]).match("other/b.jpg") == "b.jpg"  # no other id is its end
    assert ImageNames(["a.jpg", "x/a.jpg"]).match("x/a.jpg") == "x/a.jpg"
    with pytest.raises(ADSError, match="'a.jpg' or 'y/x/a.jpg'"):
        ImageNames(["a.jpg", "y/x/a.jpg"]).match("x/a.jpg")


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("images/sub/a.jpg", "sub/a.jpg"),
        ("/home/x/i/sub/a.jpg", "sub/a.jpg"),
        ("C:\\d\\sub\\a.jpg", "sub/a.jpg"),
        ("labels/sub/a", "sub/a.jpg"),
        ("a.jpg", "a.jpg"),
        ("images/a.jpg", "a.jpg"),
        ("other/a.jpg", "a.jpg"),
    ],
)
def test_the_longest_end_is_meant(name, image):
    assert ImageNames(["a.jpg", "sub/a.jpg"]).match(name) == image


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("JPEGImages/a.jpg", "Annotations/a.jpg"),
        ("train/images/a.jpg", "train/labels/a"),
        ("images/train/a.jpg", "labels/train/a"),
        ("VOC2007/JPEGImages/a.jpg", "VOC2007/Annotations/a.jpg"),
    ],
)
def test_usual_folders_of_images_and_labels(image, name):
    others = ["valid/images/a.jpg", "images/valid/a.jpg", "VOC2012/JPEGImages/a.jpg"]
    assert ImageNames([image, *others]).match(name) == image
    assert ImageNames(others).match(f"test/{name}") is None


def test_two_suffixes():
    with pytest.raises(ADSError, match="'a.jpg' or 'a.png'.* with its suffix"):
        ImageNames(["a.jpg", "a.png"]).match("a")
    assert ImageNames(["a.jpg", "a.png"]).match("a.png") == "a.png"


def test_accents_as_macos_stores_them():
    composed = unicodedata.normalize("NFC", "Müller/é.jpg")
    split = unicodedata.normalize("NFD", composed)
    assert composed != split
    assert ImageNames([composed]).match(split) == composed
    assert ImageNames([split]).match(composed) == split


def test_many_names_are_fast():
    ids = [f"folder{i % 100}/sub/image{i}.jpg" for i in range(50_000)]
    start = time.perf_counter()
    names = ImageNames(ids)
    assert [names.match(f"labels/image{i}") for i in range(20)] == [None] * 20
    assert [names.match(f"image{i}") for i in range(20_000)] == ids[:20_000]
    assert time.perf_counter() - start < 10
