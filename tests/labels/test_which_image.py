"""Which image a file means that says more than one thing of it."""

import json

import pytest

from ads_det.errors import ADSError
from ads_det.labels.label_studio import read_label_studio
from ads_det.labels.names import ImageNames
from ads_det.labels.voc import read_voc
from ads_det.labels.yolo import read_yolo

SUB = "<path>/home/u/photos/sub/a.jpg</path>"


@pytest.mark.parametrize(
    ("file", "inner", "image"),
    [
        ("a.xml", f"<filename>a.jpg</filename>{SUB}", "sub/a.jpg"),
        ("a.xml", f"<folder>sub</folder><filename>a.jpg</filename>{SUB}", "sub/a.jpg"),
        ("a.xml", "<folder>sub</folder><filename>a.jpg</filename>", "sub/a.jpg"),
        ("a.xml", "<filename>a.jpg</filename><path>C:\\photos\\sub\\a.jpg</path>", "sub/a.jpg"),
        ("a.xml", "<filename>sub\\a.jpg</filename>", "sub/a.jpg"),
        ("Annotations/a.xml", f"<filename>a.jpg</filename>{SUB}", "sub/a.jpg"),
        ("sub/a.xml", "<path>a.jpg</path>", "sub/a.jpg"),
        ("sub/a.xml", "<folder/><filename>a.jpg</filename><path>a.jpg</path>", "sub/a.jpg"),
        ("sub/a.xml", "", "sub/a.jpg"),
        ("a.xml", "<filename>a.jpg</filename>", "a.jpg"),
        ("a.xml", "<folder>photos</folder><filename>a.jpg</filename>", "a.jpg"),
        ("a.xml", "<filename>a.jpg</filename><path>/home/u/photos/a.jpg</path>", "a.jpg"),
        ("a.xml", "<filename>a.jpg</filename><path>Unknown</path>", "a.jpg"),
        ("b.xml", "<filename>gone.jpg</filename>", "gone.jpg"),
        ("x/b.xml", "<filename>x.jpg</filename><path>x.jpg</path>", "x/x.jpg"),
        ("labels/b.xml", "<filename>b.jpg</filename><path>/old/place/b.jpg</path>", "b.jpg"),
        ("c.xml", "<filename>c.png</filename>", "deep/c.jpg"),
        ("train/c.xml", "<filename>c.jpg</filename><path>c.jpg</path>", "train/c.jpg"),
        ("train/c.xml", "<folder>deep</folder><filename>x.jpg</filename>", "train/x.jpg"),
        ("p.jpg.xml", "<filename>p.jpg</filename>", "p.jpg"),
        ("p.jpg.xml", "<filename>p.jpg.png</filename>", "p.jpg.png"),
    ],
)
def test_all_that_a_voc_file_says_counts(file, inner, image, tmp_path):
    """A name that means no image stays one, in the folder of the XML."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(f"<annotation>{inner}</annotation>")
    ids = ["a.jpg", "sub/a.jpg", "b.jpg", "deep/c.jpg", "p.jpg", "p.jpg.png"]
    (found,) = read_voc(tmp_path, ids)
    assert (ImageNames(ids).match(found.image) or found.image) == image


@pytest.mark.parametrize(
    ("file", "inner", "images"),
    [
        ("b.xml", "<filename>a.jpg</filename>", "'b.jpg' or 'a.jpg'"),
        ("sub/b.xml", "<filename>a.jpg</filename>", "'b.jpg' or 'sub/a.jpg'"),
        ("x/b.xml", "<path>/home/u/sub/a.jpg</path>", "'b.jpg' or 'sub/a.jpg'"),
        ("sub/a.xml", "<filename>sub2/a.jpg</filename>", "'sub/a.jpg' or 'sub2/a.jpg'"),
        ("sub/a.xml", "<path>C:\\u\\sub2\\a.jpg</path>", "'sub/a.jpg' or 'sub2/a.jpg'"),
    ],
)
def test_a_voc_file_that_names_two_images(file, inner, images, tmp_path):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(f"<annotation>{inner}</annotation>")
    with pytest.raises(ADSError, match=f"{file} may be meant for the image {images}: .*correct"):
        read_voc(tmp_path, ["a.jpg", "b.jpg", "sub/a.jpg", "sub2/a.jpg"])


def test_an_unknown_path_in_all_files(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.xml").write_text("<annotation><path>Unknown</path></annotation>")
    different = "<annotation><path>Unknown</path><folder>x</folder></annotation>"
    (tmp_path / "a.xml").write_text(different)
    assert [i.image for i in read_voc(tmp_path, ["a.jpg", "b.jpg"])] == ["a.jpg", "b.jpg"]


IDS = ["a.jpg", "a#2.jpg", "a?x.jpg", "p%20q.jpg", "p q.jpg", "x+y.jpg", "r&s.jpg", "7.jpg"]
IDS += ["e f.jpg", "sub/a.jpg", "3.jpg", "100%.jpg", "m#1/n.jpg"]


def label_studio_image(path, url, **data):
    task = dict(id=1, data=dict(image=url, **data), annotations=[dict(result=[])])
    path.write_text(json.dumps([task]))
    (found,) = read_label_studio(path, IDS)
    return ImageNames(IDS).match(found.image)


@pytest.mark.parametrize(
    ("url", "image"),
    [
        ("s3://bucket/x/a#2.jpg", "a#2.jpg"),
        ("gs://bucket/x/a?x.jpg", "a?x.jpg"),
        ("azure-blob://c/sub/a.jpg", "sub/a.jpg"),
        ("s3://bucket/a#3.jpg", None),  # not a.jpg
        ("gs://bucket/a?y.jpg", None),
        ("s3://b/p%20q.jpg", "p%20q.jpg"),
        ("s3://b/p q.jpg", "p q.jpg"),
        ("s3://b/e%20f.jpg", "e f.jpg"),
        ("s3://b/100%.jpg", "100%.jpg"),
        ("file:///C:/p/sub/a.jpg", "sub/a.jpg"),
        ("http://h/e%20f.jpg?token=1", "e f.jpg"),
        ("http://h/p%20q.jpg", "p q.jpg"),
        ("http://h/a%232.jpg", "a#2.jpg"),
        ("http://h/a#2.jpg", "a#2.jpg"),
        ("http://h/a?y.jpg", None),
        ("http://h/a?y=/3.jpg", None),
        ("http://h/a.png", "a.jpg"),
        ("http://h/sub/a.jpg#top", "sub/a.jpg"),
        ("/data/upload/1/deadbeef-a.jpg", "a.jpg"),
        ("/data/upload/1/deadbeef-a#2.jpg", "a#2.jpg"),
        ("/data/upload/1/deadbeef-a#3.jpg", None),
        ("/data/local-files/?d=x/a%232.jpg", "a#2.jpg"),
        ("/data/local-files/?d=x/a#2.jpg", "a#2.jpg"),
        ("/data/local-files/?d=i/x+y.jpg", "x+y.jpg"),
        ("/data/local-files/?d=i/r&s.jpg", "r&s.jpg"),
        ("/data/local-files/?d=i/r&t.jpg", None),
        ("/data/local-files/?d=C:\\p\\sub\\a.jpg", "sub/a.jpg"),
        ("a#2.jpg", "a#2.jpg"),
        ("a#3.jpg", None),
        ("sub/a.jpg?token=1", "sub/a.jpg"),
        ("data/local-files/?d=x/e%20f.jpg", "e f.jpg"),
        ("/data/local-files/?x=1&d=x/e%20f.jpg", "e f.jpg"),
        ("m#1/n.jpg", "m#1/n.jpg"),
        ("p%20q.jpg", "p%20q.jpg"),
    ],
)
def test_an_address_is_not_cut(url, image, tmp_path):
    assert label_studio_image(tmp_path / "a.json", url) == image


@pytest.mark.parametrize(
    ("image_id", "image"),
    [("7", "3.jpg"), ("7.jpg", "7.jpg"), ("x/7.jpg", "3.jpg"), ("sub\\a.jpg", "sub/a.jpg")],
)
def test_an_image_id_counts_if_it_is_one(image_id, image, tmp_path):
    url = "/data/upload/1/deadbeef-3.jpg"
    assert label_studio_image(tmp_path / "a.json", url, image_id=image_id) == image


def test_one_number_for_two_images_of_json_min(tmp_path):
    entries = [dict(id=1, annotation_id=i, image=f"{i}.jpg") for i in (3, 7)]
    (tmp_path / "a.json").write_text(json.dumps(entries))
    assert [i.image for i in read_label_studio(tmp_path / "a.json", IDS)] == ["3.jpg", "7.jpg"]


def test_the_name_of_a_text_file_is_that_of_its_image_but_for_the_suffix(tmp_path):
    ids = ["a.jpg", "a.png.jpg", "b.jpg"]
    (tmp_path / "classes.txt").write_text("cat\n")
    (tmp_path / "a.png.txt").write_text("0 .5 .5 .2 .2\n")
    found = read_yolo(tmp_path, (), lambda image_id: (10, 10), ids)
    assert [image.image for image in found] == ["a.png.jpg"]
    names = ImageNames(ids)
    assert names.match("b.png") == "b.jpg" and names.match("a") == "a.jpg"
