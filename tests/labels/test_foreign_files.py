"""Files as the annotation tools themselves write them."""

import json
from pathlib import Path

import pytest

from ads_det.errors import ADSError
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.coco import read_coco
from ads_det.labels.cvat import read_cvat
from ads_det.labels.label_studio import read_label_studio
from ads_det.labels.voc import read_voc
from ads_det.labels.yolo import NoClassesError, read_yolo


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def dump(path: Path, content: object) -> Path:
    return write(path, json.dumps(content))


LABELIMG = """<annotation verified="yes">
	<folder>images</folder>
	<filename>dog 1.jpg</filename>
	<path>C:\\Users\\me\\images\\dog 1.jpg</path>
	<source>
		<database>Unknown</database>
	</source>
	<size>
		<width>640</width>
		<height>480</height>
		<depth>3</depth>
	</size>
	<segmented>0</segmented>
	<object>
		<name>dog</name>
		<pose>Unspecified</pose>
		<truncated>0</truncated>
		<difficult>0</difficult>
		<bndbox>
			<xmin>1</xmin>
			<ymin>11</ymin>
			<xmax>640</xmax>
			<ymax>480</ymax>
		</bndbox>
	</object>
</annotation>
"""

VOC_OF_CVAT = """<?xml version='1.0' encoding='utf-8'?>
<annotation>
  <folder></folder>
  <filename>sub/cat.png</filename>
  <source><database>Unknown</database></source>
  <size><width>20</width><height>10</height><depth></depth></size>
  <segmented>0</segmented>
  <object>
    <name>cat</name>
    <truncated>0</truncated>
    <occluded>0</occluded>
    <difficult>0</difficult>
    <bndbox><xmin>2.5</xmin><ymin>1.0</ymin><xmax>9.25</xmax><ymax>7.0</ymax></bndbox>
    <attributes><attribute><name>rotation</name><value>0.0</value></attribute></attributes>
  </object>
</annotation>
"""


def test_voc_of_labelimg_and_cvat(tmp_path):
    write(tmp_path / "images" / "dog 1.xml", LABELIMG)
    write(tmp_path / "Annotations" / "sub" / "cat.xml", VOC_OF_CVAT)
    write(tmp_path / "images" / "empty.xml", "<annotation/>")
    write(tmp_path / "images" / "._empty.xml", "resource fork")
    assert read_voc(tmp_path) == [
        ImageLabels("sub/cat.png", 20, 10, (Box("cat", 1.5, 0, 8.25, 6),)),
        ImageLabels("images/dog 1.jpg", 640, 480, (Box("dog", 0, 10, 639, 479),)),
        ImageLabels("images/empty", 0, 0),
    ]


@pytest.mark.parametrize(
    ("inner", "image"),
    [
        ("<path>a/b.jpg</path><filename>c.jpg</filename>", "a/b.jpg"),
        ("<path>/home/me/b.jpg</path><filename>c.jpg</filename>", "x/c.jpg"),
        ("<path>\\\\server\\b.jpg</path><filename>c.jpg</filename>", "x/c.jpg"),
        ("<filename>\n  c.jpg\n</filename>", "x/c.jpg"),
        ("<filename>/home/me/c.jpg</filename>", "x/c.jpg"),
        ("<filename>D:\\me\\c.jpg</filename>", "x/c.jpg"),
        ("<filename>c</filename>", "x/c"),
        ("<filename/>", "x/file.0001"),
    ],
)
def test_which_image_a_voc_file_means(inner, image, tmp_path):
    write(tmp_path / "x" / "file.0001.xml", f"<annotation>{inner}</annotation>")
    assert [labels.image for labels in read_voc(tmp_path)] == [image]


def test_coco_of_cvat(tmp_path):
    path = dump(
        tmp_path / "instances_default.json",
        dict(
            licenses=[dict(name="", id=0, url="")],
            info=dict(contributor="", date_created="", description="", url="", version="", year=""),
            categories=[
                dict(id=1, name="cat", supercategory=""),
                dict(id=7, name="dog", supercategory=""),
            ],
            images=[
                dict(
                    id=1,
                    width=640,
                    height=480,
                    file_name="sub/a.jpg",
                    license=0,
                    flickr_url="",
                    coco_url="",
                    date_captured=0,
                ),
                dict(id=2, file_name="b.jpg"),
            ],
            annotations=[
                dict(
                    id=1,
                    image_id=1,
                    category_id=7,
                    segmentation=[],
                    area=1200.5,
                    bbox=[10.5, 20, 30, 40.25],
                    iscrowd=0,
                    attributes=dict(occluded=False, rotation=0.0),
                )
            ],
        ),
    )
    assert read_coco(path) == [
        ImageLabels("sub/a.jpg", 640, 480, (Box("dog", 10.5, 20, 40.5, 60.25),)),
        ImageLabels("b.jpg", 0, 0, checked=None),
    ]


def test_coco_with_a_byte_order_mark_and_ids_in_text(tmp_path):
    content = dict(
        images=[dict(id="x", file_name="a.jpg", width=4, height=3)],
        annotations=[dict(image_id="x", category_id=0, bbox=[0, 0, 1, 1])],
        categories=[dict(id=0, name="cat")],
    )
    path = write(tmp_path / "a.json", "\ufeff" + json.dumps(content))
    assert read_coco(path) == [ImageLabels("a.jpg", 4, 3, (Box("cat", 0, 0, 1, 1),))]


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <job>
      <id>5</id><size>2</size><mode>annotation</mode><overlap>0</overlap>
      <labels><label><name>cat</name><color>#ff0000</color><type>any</type>
        <attributes></attributes></label></labels>
    </job>
    <dumped>2024-05-05 10:00:00.000000+00:00</dumped>
  </meta>
  <image id="0" name="sub/a &amp; b.jpg" width="640" height="480">
    <box label="cat" source="manual" occluded="0" xtl="10.50" ytl="20.00" xbr="40.50" ybr="60.25"
         z_order="0" rotation="0.00">
      <attribute name="age">old</attribute>
    </box>
    <tag label="night" source="manual"></tag>
  </image>
  <image id="1" name="c.jpg" width="640" height="480">
  </image>
</annotations>
"""


def test_cvat_for_images(tmp_path):
    assert read_cvat(write(tmp_path / "annotations.xml", CVAT)) == [
        ImageLabels("sub/a & b.jpg", 640, 480, (Box("cat", 10.5, 20, 40.5, 60.25),)),
        ImageLabels("c.jpg", 640, 480, checked=None),
    ]


def test_coco_with_numbers_as_fractions(tmp_path):
    content = dict(
        images=[dict(id=1.0, file_name="a.jpg", width=4, height=3)],
        annotations=[dict(id=1.0, image_id=1, category_id=2.0, bbox=[0, 0, 1, 1])],
        categories=[dict(id=2, name="cat")],
    )
    path = dump(tmp_path / "a.json", content)
    assert read_coco(path) == [ImageLabels("a.jpg", 4, 3, (Box("cat", 0, 0, 1, 1),))]


@pytest.mark.parametrize("degrees", ["0", "0.00", "-0.0", "360.0", "-360"])
def test_whole_turns_are_no_rotation(degrees, tmp_path):
    text = CVAT.replace('rotation="0.00"', f'rotation="{degrees}"')
    assert read_cvat(write(tmp_path / "a.xml", text))[0].boxes
    text = VOC_OF_CVAT.replace("<value>0.0<", f"<value>{degrees}<")
    assert read_voc(write(tmp_path / "voc/a.xml", text))[0].boxes
    box = region(10, 10, 20, 20, "cat", image_rotation=float(degrees))
    box["value"]["rotation"] = float(degrees)
    path = dump(tmp_path / "a.json", [task("a.jpg", annotation(box))])
    assert read_label_studio(path)[0].boxes


def region(x, y, width, height, name, **more) -> dict:
    value = dict(x=x, y=y, width=width, height=height, rotation=0, rectanglelabels=[name])
    return dict(
        original_width=640,
        original_height=480,
        image_rotation=0,
        value=value,
        id="Dx_aB1ISEq",
        from_name="label",
        to_name="image",
        type="rectanglelabels",
        origin="manual",
    ) | dict(more)


def annotation(*results, **more) -> dict:
    return dict(
        id=1,
        completed_by=1,
        result=list(results),
        was_cancelled=False,
        ground_truth=False,
        created_at="2024-05-05T10:00:00.000000Z",
        updated_at="2024-05-05T10:00:00.000000Z",
        lead_time=3.5,
        prediction={},
        result_count=0,
        task=1,
    ) | dict(more)


def task(image, *annotations, **data) -> dict:
    return dict(
        id=1,
        annotations=list(annotations),
        file_upload="1234abcd-a.jpg",
        drafts=[],
        predictions=[dict(result=[region(0, 0, 1, 1, "ghost")])],
        data=dict(image=image) | data,
        meta={},
        inner_id=1,
    )


def test_label_studio_json(tmp_path):
    # 12.5 % of 640 is 80, 25 % of 480 is 120; 33.333333333333336 % of 480 is 160
    box = region(12.5, 25, 50, 33.333333333333336, "cat")
    choice = dict(value=dict(choices=["night"]), type="choices", from_name="c", to_name="image")
    text = dict(value=dict(x=1, y=1, width=2, height=2, text=["?"]), type="textarea", from_name="t")
    link = dict(from_id="a", to_id="b", type="relation", direction="right")
    path = dump(
        tmp_path / "project-1.json",
        [
            task("/data/upload/1/1234abcd-a.jpg", annotation(box, choice, text, link)),
            task("/data/upload/5/b.jpg", annotation(), width=640, height=480),
            task("/data/local-files/?d=images/sub/c%20d%2B.jpg", annotation(box)),
            task("https://host.org/data/e%20f.jpg?token=1", annotation(was_cancelled=True)),
            task("s3://bucket/sub/g.jpg"),
            task("http://host.org/x", annotation(box), image_id="sub/h#1.jpg"),
            task("i.jpg", annotation(box, choice), annotation(text, box)),  # they agree
        ],
    )
    boxes = (Box("cat", 80, 120, 400, 280),)
    assert read_label_studio(path) == [
        ImageLabels("a.jpg", 640, 480, boxes),
        ImageLabels("b.jpg", 640, 480),
        ImageLabels("images/sub/c d+.jpg", 640, 480, boxes),
        ImageLabels("data/e f.jpg", 0, 0, checked=False),
        ImageLabels("sub/g.jpg", 0, 0, checked=False),
        ImageLabels("sub/h#1.jpg", 640, 480, boxes),
        ImageLabels("i.jpg", 640, 480, boxes),
    ]


def test_label_studio_with_several_images_in_a_task(tmp_path):
    box = region(12.5, 25, 50, 25, "cat")
    other = dict(box, to_name="image2")
    path = dump(tmp_path / "a.json", [task("a.jpg", annotation(dict(box, to_name="image"), other))])
    with pytest.raises(ADSError, match="boxes on several images .image, image2."):
        read_label_studio(path)
    path = dump(tmp_path / "b.json", [task("a.jpg", annotation(dict(box, item_index=1)))])
    with pytest.raises(ADSError, match="on another of its images"):
        read_label_studio(path)


def short(task_id, image, **more) -> dict:
    return (
        dict(id=task_id, image=image, annotator=1, annotation_id=task_id, lead_time=2.0)
        | dict(created_at="2024-05-05T10:00:00Z", updated_at="2024-05-05T10:00:00Z")
        | more
    )


def test_label_studio_json_min(tmp_path):
    box = region(12.5, 25, 50, 25, "cat")
    box = box["value"] | dict(original_width=640, original_height=480)
    choice = dict(x=1, y=1, width=2, height=2, choices=["far"], original_width=640)
    path = dump(
        tmp_path / "min.json",
        [
            short(1, "/data/upload/1/1234abcd-a.jpg", label=[box], c=[choice], tags=["x", {}]),
            short(2, "/data/upload/1/1234abcd-b.jpg", other="night"),
            short(3, "/data/upload/1/1234abcd-c.jpg", annotation_id=None),
            short(4, "/data/upload/1/1234abcd-d.jpg", label=[box]),
            short(4, "/data/upload/1/1234abcd-d.jpg", label=[box]),  # a second person
            short(5, "x", image_id="sub/e.jpg", width=64, height=48),
        ],
    )
    boxes = (Box("cat", 80, 120, 400, 240),)
    assert read_label_studio(path) == [
        ImageLabels("a.jpg", 640, 480, boxes),
        ImageLabels("b.jpg", 0, 0),
        ImageLabels("c.jpg", 0, 0, checked=False),
        ImageLabels("d.jpg", 640, 480, boxes),
        ImageLabels("sub/e.jpg", 64, 48),
    ]


IDS = ["train/a b.jpg", "train/frame.0001.png", "val/c.jpg", "val/d.jpg"]


def sizes(image: str) -> tuple[int, int]:
    return (640, 480) if image.startswith("train/") else (100, 50)


@pytest.mark.parametrize("class_file", ["classes.txt", "labels/classes.txt", "obj.names", None])
def test_yolo(class_file, tmp_path):
    # centre (320, 120), size 64 x 48: 288 to 352 and 96 to 144
    write(tmp_path / "labels/train/a b.txt", "1 0.500000 0.250000 0.100000 0.100000\r\n\n")
    write(tmp_path / "labels/train/frame.0001.txt", "0 0.5 0.5 1 1\n0 0.1 0.1 0.2 0.2")
    write(tmp_path / "labels/val/c.txt", "")
    write(tmp_path / "train.txt", "data/obj_train_data/a b.jpg\n")
    write(tmp_path / "README.txt", "Exported by a tool.\n")
    if class_file:
        write(tmp_path / class_file, "cat\ndog\n\n")
    classes = ["wrong"] if class_file else ["cat", "dog"]
    assert read_yolo(tmp_path, classes, sizes, IDS) == [
        ImageLabels("train/a b.jpg", 640, 480, (Box("dog", 288, 96, 352, 144),)),
        ImageLabels(
            "train/frame.0001.png",
            640,
            480,
            (Box("cat", 0, 0, 640, 480), Box("cat", 0, 0, 128, 96)),
        ),
        ImageLabels("val/c.jpg", 100, 50, checked=None),
    ]


@pytest.mark.parametrize(
    "names", ["names: [cat, dog]", "names:\n  0: cat\n  1: dog", "names: {'1': dog, '0': cat}"]
)
def test_yolo_with_a_config(names, tmp_path):
    """As Ultralytics and Roboflow write it; the numbers are its, not the project's."""
    write(tmp_path / "labels/train/a b.txt", "1 0.5 0.25 0.1 0.1\n")
    write(tmp_path / "data.yaml", f"train: images\nnc: 2\n{names}\n")
    (found,) = read_yolo(tmp_path, ["dog", "cat"], sizes, IDS)
    assert found.boxes[0].name == "dog"
    write(tmp_path / "data.yaml", "train: images\n")
    with pytest.raises(ADSError, match="no list `names`"):
        read_yolo(tmp_path, [], sizes, IDS)
    write(tmp_path / "data.yaml", f"nc: 5\n{names}\n")
    with pytest.raises(ADSError, match="says nc: 5, but names 2 classes"):
        read_yolo(tmp_path, [], sizes, IDS)


def test_yolo_classes_that_are_digits(tmp_path):
    write(tmp_path / "val/c.txt", "1 0.5 0.5 0.5 0.5\n")
    write(tmp_path / "classes.txt", "0\n1\n")
    assert read_yolo(tmp_path, [], sizes, IDS)[0].boxes[0].name == "1"
    (tmp_path / "classes.txt").unlink()
    write(tmp_path / "data.yaml", "names: [no, 0777]\n")
    assert read_yolo(tmp_path, [], sizes, IDS)[0].boxes[0].name == "0777"
    write(tmp_path / "data.yaml", "base: &b {names: [x, 'null']}\n<<: *b\n")
    assert read_yolo(tmp_path, [], sizes, IDS)[0].boxes[0].name == "null"
    (tmp_path / "data.yaml").unlink()
    write(tmp_path / "classes.txt", "1 cent\n2 cent\n")
    assert read_yolo(tmp_path, ["1 cent", "2 cent"], sizes, IDS)[0].boxes[0].name == "2 cent"


def test_voc_renamed_with_its_image(tmp_path, capsys):
    write(tmp_path / "000001.xml", "<annotation><filename>IMG_0.jpg</filename></annotation>")
    read_voc(tmp_path, ["000001.jpg", "2.jpg"])
    assert "1 XML file(s) are called as an image but name another" in capsys.readouterr().out
    read_voc(tmp_path, ["2.jpg"])
    assert not capsys.readouterr().out


def test_the_same_twice_counts_once(tmp_path):
    write(tmp_path / "a" / "x.xml", "<annotation><path>x.jpg</path></annotation>")
    write(tmp_path / "b" / "x.xml", "<annotation><path>x.jpg</path></annotation>")
    assert read_voc(tmp_path) == [ImageLabels("x.jpg", 0, 0)]


def test_a_yolo_folder_without_classes_is_told_apart_from_other_mistakes(tmp_path):
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(NoClassesError, match="no classes.txt"):
        read_yolo(tmp_path, (), lambda name: (10, 10), ["a.png"])
