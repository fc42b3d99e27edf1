"""What is written in a format is read back: names, boxes, and whether somebody looked."""

import json
import random
import time
import xml.etree.ElementTree as ET

import pytest
from pycocotools.coco import COCO

from ads_det.errors import ADSError
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.coco import read_coco, write_coco
from ads_det.labels.cvat import read_cvat, write_cvat
from ads_det.labels.label_studio import label_config, read_label_studio, write_label_studio
from ads_det.labels.voc import read_voc, write_voc

CLASSES = ["дом", 'say "hi"', "<a & b>", "it's a cat"]
NAMES = [
    "plain.jpg",
    "with space/and more.jpg",
    "фото/三毛猫.png",
    "quotes/\"double\" and 'single'.jpg",
    "signs/<a>&amp;b;%20#1?x=y+z.jpg",
    "deep/er/folder/frame.0001.tif",
    "upper/IMG.JPG",
    "same.jpg",
    "same.png",
]
INTEGERS = (  # the last touches all four borders
    Box("дом", 3, 5, 17, 29),
    Box('say "hi"', 0, 0, 1, 1),
    Box("<a & b>", 0, 0, 97, 61),
)


def images(boxes=INTEGERS) -> list[ImageLabels]:
    """One of each name, the last without boxes."""
    with_boxes = [ImageLabels(name, 97, 61, tuple(boxes)) for name in NAMES[:-1]]
    return [*with_boxes, ImageLabels(NAMES[-1], 97, 61)]


def fractions() -> tuple[Box, ...]:
    rng = random.Random(0)
    found = []
    for _ in range(20):
        x1, y1 = rng.uniform(0, 90), rng.uniform(0, 55)
        x2, y2 = rng.uniform(x1, 97), rng.uniform(y1, 61)
        found.append(Box(rng.choice(CLASSES), x1, y1, x2, y2))
    return tuple(found)


def submit(path) -> None:
    """What happens to tasks when a person accepts all predictions and exports."""
    tasks = json.loads(path.read_text(encoding="utf-8"))
    for number, task in enumerate(tasks, start=1):
        results = [p["result"] for p in task["predictions"]] or [[]]
        task["annotations"] = [dict(id=number, was_cancelled=False, result=results[0])]
    path.write_text(json.dumps(tasks), encoding="utf-8")


def coco(labels, folder):
    write_coco(labels, CLASSES, folder / "coco.json")
    return read_coco(folder / "coco.json")


def voc(labels, folder):
    write_voc(labels, CLASSES, folder / "voc")
    return read_voc(folder / "voc")


def cvat(labels, folder):
    write_cvat(labels, CLASSES, folder / "cvat.xml")
    return read_cvat(folder / "cvat.xml")


def label_studio(labels, folder):
    write_label_studio(labels, CLASSES, folder / "ls.json", lambda image: f"http://host/{image}")
    submit(folder / "ls.json")
    return read_label_studio(folder / "ls.json")


FORMATS = pytest.mark.parametrize("trip", [coco, voc, cvat, label_studio])


@FORMATS
def test_integer_boxes_and_odd_names_come_back_exactly(trip, tmp_path):
    found = {labels.image: labels for labels in trip(images(), tmp_path)}
    assert found.keys() == set(NAMES)
    for labels in images()[:-1]:
        assert found[labels.image] == labels
    empty = found[NAMES[-1]]
    assert (empty.width, empty.height, empty.boxes) == (97, 61, ())
    assert empty.checked is (None if trip is cvat else True)


@FORMATS
def test_fractions_come_back_within_half_a_pixel(trip, tmp_path):
    written = fractions()
    found = trip([ImageLabels("a.jpg", 97, 61, written)], tmp_path)[0].boxes
    assert [box.name for box in found] == [box.name for box in written]
    worst = max(
        abs(a - b) for old, new in zip(written, found) for a, b in zip(old.corners, new.corners)
    )
    assert worst <= {coco: 1e-9, cvat: 1e-6, label_studio: 1e-3, voc: 0.5}[trip]


@FORMATS
def test_names_and_order_of_many_images(trip, tmp_path):
    written = [ImageLabels(f"{i:04}.jpg", 8, 8, INTEGERS[:1]) for i in range(30)]
    assert trip(written, tmp_path) == written


@pytest.mark.parametrize("trip", [coco, voc, cvat])
def test_files_are_the_same_each_time(trip, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    trip(images(), tmp_path / "a")
    trip(images(), tmp_path / "b")
    first, second = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()}
        for f in (tmp_path / "a", tmp_path / "b")
    )
    assert first == second


@FORMATS
def test_writers_refuse_what_they_could_not_give_back(trip, tmp_path):
    one = ImageLabels("a.jpg", 9, 9, (Box("bird", 1, 1, 2, 2),))
    with pytest.raises(ADSError, match="'a.jpg' has a box of class 'bird', which is not among"):
        trip([one], tmp_path)
    with pytest.raises(ADSError, match="The image 'a.jpg' is to be written twice"):
        trip([ImageLabels("a.jpg", 9, 9)] * 2, tmp_path)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@pytest.mark.parametrize("trip", [voc, cvat])
@pytest.mark.parametrize("name", ["a\x07b.jpg", "a\nb.jpg", "a\udcffb.jpg"])
def test_xml_refuses_characters_that_it_cannot_hold(trip, name, tmp_path):
    with pytest.raises(ADSError, match="has a character that XML cannot hold"):
        trip([ImageLabels(name, 9, 9)], tmp_path)


def test_pycocotools_reads_the_same(tmp_path, capsys):
    written = images(INTEGERS + fractions())
    write_coco(written, CLASSES, tmp_path / "coco.json")
    api = COCO(tmp_path / "coco.json")
    capsys.readouterr()
    assert [api.imgs[i]["file_name"] for i in api.getImgIds()] == NAMES
    assert [c["name"] for c in api.loadCats(api.getCatIds())] == CLASSES
    for number, labels in enumerate(written, start=1):
        annotations = api.loadAnns(api.getAnnIds(imgIds=[number], iscrowd=False))
        assert len(annotations) == len(labels.boxes)
        for annotation, box in zip(annotations, labels.boxes):
            x, y, width, height = annotation["bbox"]
            assert api.cats[annotation["category_id"]]["name"] == box.name
            assert (x, y, x + width, y + height) == pytest.approx(box.corners)
            assert annotation["area"] == pytest.approx((box.x2 - box.x1) * (box.y2 - box.y1))
            assert annotation["iscrowd"] == 0 and "score" not in annotation


def test_coco_keeps_scores_and_whether_somebody_looked(tmp_path):
    proposal = Box("дом", 1, 2, 3, 4, score=0.25)
    written = [
        ImageLabels("a.jpg", 9, 9, (proposal,), checked=False),
        ImageLabels("b.jpg", 9, 9, checked=False),
        ImageLabels("c.jpg", 9, 9, checked=True),
        ImageLabels("d.jpg", 9, 9, checked=None),
    ]
    assert coco(written, tmp_path) == written


def test_voc_writes_numbers_from_one_in_whole_pixels(tmp_path):
    box = Box("дом", 0, 10.4, 96.6, 61)
    write_voc([ImageLabels("sub/a b.jpg", 97, 61, (box,))], CLASSES, tmp_path)
    root = ET.parse(tmp_path / "sub" / "a b.xml").getroot()
    texts = [(element.tag, element.text) for element in root.iter() if len(element) == 0]
    assert texts == [
        ("folder", None),
        ("filename", "sub/a b.jpg"),
        ("path", "sub/a b.jpg"),
        *(("width", "97"), ("height", "61"), ("depth", "3")),
        *(("name", "дом"), ("pose", "Unspecified"), ("truncated", "0"), ("difficult", "0")),
        *(("xmin", "1"), ("ymin", "11"), ("xmax", "98"), ("ymax", "62")),
    ]


@pytest.mark.parametrize(
    ("ids", "files"),
    [
        (["a.jpg", "b.JPG", "c/a.jpg"], ["a.xml", "b.xml", "c/a.xml"]),
        (["a.jpg", "a.png", "b.jpg"], ["a.jpg.xml", "a.png.xml", "b.xml"]),
        (["a.jpg", "a.png", "a.jpg.png"], ["a.jpg.xml", "a.png.xml", "a.jpg.png.xml"]),
        (["VOC2007/000005", "v1.2"], ["VOC2007/000005.xml", "v1.2.xml"]),  # ids without suffix
    ],
)
def test_voc_names_its_files_after_the_ids(ids, files, tmp_path):
    written = [ImageLabels(i, 8, 8, INTEGERS) for i in ids]
    write_voc(written, CLASSES, tmp_path)
    found = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.xml")]
    assert sorted(found) == sorted(files)
    assert sorted(labels.image for labels in read_voc(tmp_path)) == sorted(ids)
    single = read_voc(tmp_path / files[0])
    assert single == written[:1]


def test_voc_has_no_file_for_an_empty_image_that_nobody_checked(tmp_path):
    unseen = [ImageLabels("a.jpg", 8, 8, checked=False), ImageLabels("b.jpg", 8, 8, checked=None)]
    assert voc([*unseen, ImageLabels("c.jpg", 8, 8)], tmp_path) == [ImageLabels("c.jpg", 8, 8)]
    write_voc(unseen, CLASSES, tmp_path / "none")
    assert (tmp_path / "none").is_dir()


@pytest.mark.parametrize("image", ["../a.jpg", "/tmp/a.jpg", "a/../../b.jpg"])
def test_voc_writes_nothing_outside_its_folder(image, tmp_path):
    with pytest.raises(ADSError, match="leads out of the folder"):
        write_voc([ImageLabels(image, 8, 8)], CLASSES, tmp_path / "voc")
    assert not list(tmp_path.rglob("*.xml"))


def test_voc_reports_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "sub").write_text("a file")
    with pytest.raises(ADSError, match="sub cannot be written"):
        write_voc([ImageLabels("sub/a.jpg", 8, 8)], CLASSES, tmp_path)


def test_label_studio_tasks_carry_predictions_in_per_cent(tmp_path):
    boxes = (Box("дом", 50, 25, 100, 75, score=0.5), Box("дом", 0, 0, 200, 100, score=0.75))
    written = [ImageLabels("a b.jpg", 200, 100, boxes), ImageLabels("c.jpg", 8, 4, checked=False)]
    path = tmp_path / "tasks.json"
    write_label_studio(written, CLASSES, path, lambda image: f"/data/{image}")
    first, second = json.loads(path.read_text(encoding="utf-8"))
    assert first["data"] == dict(image="/data/a b.jpg", image_id="a b.jpg", width=200, height=100)
    (prediction,) = first["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("ads_det", 0.625)
    region = prediction["result"][0]
    value = dict(x=25, y=25, width=25, height=50, rotation=0, rectanglelabels=["дом"])
    assert region.pop("value") == value
    assert region == dict(
        id="box0",
        type="rectanglelabels",
        from_name="label",
        to_name="image",
        original_width=200,
        original_height=100,
        image_rotation=0,
        score=0.5,
    )
    assert second["predictions"] == []
    assert [(i.image, i.boxes, i.checked) for i in read_label_studio(path)] == [
        ("a b.jpg", (), False),  # nobody has looked yet
        ("c.jpg", (), False),
    ]


def test_label_studio_gives_no_box_more_than_100_per_cent(tmp_path):
    path = tmp_path / "tasks.json"  # Label Studio checks predictions; 100 / 88 * 88 is above 100
    images = [ImageLabels(f"{n}.jpg", n, n, (Box("дом", 0, 0, n, n),)) for n in range(1, 2000)]
    write_label_studio(images, CLASSES, path, str)
    for task in json.loads(path.read_text(encoding="utf-8")):
        value = task["predictions"][0]["result"][0]["value"]
        assert (value["width"], value["height"]) == (100, 100)


def test_label_studio_needs_the_size_of_an_image_with_boxes(tmp_path):
    with pytest.raises(ADSError, match="The size of the image 'a.jpg' is unknown"):
        label_studio([ImageLabels("a.jpg", 0, 0, INTEGERS)], tmp_path)


def test_label_config_is_xml_with_all_classes():
    root = ET.fromstring(label_config(CLASSES))
    image, labels = root
    assert root.tag == "View"
    assert (image.tag, image.get("name"), image.get("value")) == ("Image", "image", "$image")
    assert (labels.get("name"), labels.get("toName")) == ("label", "image")
    assert [label.get("value") for label in labels] == CLASSES


def test_cvat_file_has_what_cvat_looks_for(tmp_path):
    boxes = (Box("дом", 1, 2.5, 3.125, 4), Box("дом", 0, 0, 97, 61, score=0.5))
    write_cvat([ImageLabels("a.jpg", 97, 61, boxes)], CLASSES, tmp_path / "a.xml")
    root = ET.parse(tmp_path / "a.xml").getroot()
    assert root.findtext("version") == "1.1"
    assert [e.text for e in root.iterfind("meta/task/labels/label/name")] == CLASSES
    (image,) = root.iterfind("image")
    assert image.attrib == dict(id="0", name="a.jpg", width="97", height="61")
    first, second = image
    assert first.attrib == dict(
        label="дом",
        source="manual",
        occluded="0",
        xtl="1.00",
        ytl="2.50",
        xbr="3.125",
        ybr="4.00",
        z_order="0",
    )
    assert second.get("source") == "auto"


def test_large_files_take_seconds(tmp_path):
    written = [ImageLabels(f"{i}.jpg", 97, 61, INTEGERS) for i in range(5000)]
    start = time.perf_counter()
    for trip in (coco, cvat, label_studio):
        assert len(trip(written, tmp_path)) == 5000
    assert time.perf_counter() - start < 60
