"""Annotations in VOC's format that say something else than they should."""

import pytest

from ads_det.data.true_size import true_size
from ads_det.data.voc import VOCDataset
from ads_det.errors import ADSError

OBJECT = ("cat", 1, 1, 20, 20)


def dataset(root, **options):
    lists = "ImageSets/Main/trainval.txt"
    meta = dict(classes=("cat", "dog"))
    return VOCDataset(lists, data_root=str(root), metainfo=meta, lazy_init=True, **options)


@pytest.mark.parametrize(
    ("difficult", "words"),
    [("2", "is '2', neither"), ("yes", "is 'yes', neither"), ("0", None)],
)
def test_an_object_that_is_neither_difficult_nor_not(voc, difficult, words):
    data = dataset(voc({"a": [(*OBJECT, difficult)]}))
    if words is None:
        data.full_init()
        assert len(data.get_data_info(0)["instances"]) == 1
    else:
        with pytest.raises(ADSError, match=f"a.xml has an object 'cat' .*{words} 0 nor 1"):
            data.full_init()


def test_an_object_without_a_name(voc):
    with pytest.raises(ADSError, match="a.xml has an object '' whose `name` is empty"):
        dataset(voc({"a": [("", 1, 1, 20, 20)]})).full_init()


def test_other_files_beside_the_images_are_passed_over(voc):
    root = voc({"a": [OBJECT], "b": []})
    for name in ("a.txt", "Thumbs.db", "b.xml"):
        (root / "JPEGImages" / name).write_text("no image")
    paths = dataset(root).image_paths()
    assert [path.rpartition("/")[2] for path in paths.values()] == ["a.jpg", "b.jpg"]


def test_the_folder_of_mmdets_configs_is_none_of_the_paths(voc):
    data = dataset(voc({"a": [OBJECT]}), data_prefix=dict(sub_data_root="VOC2007/"))
    assert data.sub_data_root == ""
    data.full_init()
    assert data.get_data_info(0)["img_path"].endswith("voc/JPEGImages/a.jpg")


def test_the_size_of_an_image_that_cannot_be_read_is_what_its_label_says(tmp_path, image):
    (tmp_path / "a.jpg").write_text("no image")
    assert true_size("a.xml", str(tmp_path / "a.jpg"), (7, 5)) == (7, 5)
    assert true_size("b.xml", str(image(tmp_path / "b.jpg")), (41, 30)) == (40, 30)
