"""Files that cannot be taken: one sentence that names the file, the place and the remedy."""

import copy
import json
from pathlib import Path

import pytest

from ads_det.errors import ADSError
from ads_det.labels.checks import finite
from ads_det.labels.coco import read_coco
from ads_det.labels.cvat import read_cvat
from ads_det.labels.label_studio import read_label_studio
from ads_det.labels.voc import read_voc
from ads_det.labels.xml import read_xml, root_tag
from ads_det.labels.yolo import read_yolo

COCO = dict(
    images=[dict(id=1, file_name="a.jpg", width=9, height=9)],
    annotations=[dict(id=5, image_id=1, category_id=1, bbox=[1, 2, 3, 4])],
    categories=[dict(id=1, name="cat")],
)


def refuses(read, path, *words):
    with pytest.raises(ADSError) as caught:
        read(path)
    message = str(caught.value)
    for word in (str(path), *words):
        assert word in message, message
    assert message.endswith(".") and "\n" not in message


def refuses_text(read, path, text, *words):
    path.write_text(text, encoding="utf-8")
    refuses(read, path, *words)


@pytest.mark.parametrize("read", [read_coco, read_label_studio])
@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_broken_json(read, text, tmp_path):
    refuses_text(read, tmp_path / "a.json", text, "is no valid JSON", "export it again")


@pytest.mark.parametrize("read", [read_coco, read_label_studio, read_cvat, read_voc])
def test_missing_file(read, tmp_path):
    refuses(read, tmp_path / "a.xml", "cannot be read (No such file or directory)")


def test_closed_folder(tmp_path, monkeypatch):
    def closed(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", closed)
    refuses(read_voc, tmp_path, "cannot be read (Permission denied)")


@pytest.mark.parametrize("content", [[], {}, dict(COCO, images=None), dict(COCO, images={})])
def test_coco_without_images(content, tmp_path):
    refuses_text(read_coco, tmp_path / "a.json", json.dumps(content), "has no list `images`")


@pytest.mark.parametrize("section", COCO)
def test_coco_without_a_section(section, tmp_path):
    content = {key: value for key, value in COCO.items() if key != section}
    refuses_text(read_coco, tmp_path / "a.json", json.dumps(content), f"no list `{section}`")
    content[section] = [3]
    refuses_text(read_coco, tmp_path / "a.json", json.dumps(content), "is no object")


@pytest.mark.parametrize(
    ("section", "change", "words"),
    [
        ("annotations", dict(image_id=2), "annotation 5 belongs to the image 2"),
        ("annotations", dict(image_id=[1]), "belongs to the image [1]"),
        ("annotations", dict(image_id="1"), "does not have (`image_id`), but the number 1: write"),
        ("annotations", dict(category_id="1"), "(`category_id`), but the number 1: write both as"),
        (
            "images",
            dict(id="1"),
            "belongs to the image 1, which `images` does not have (`image_id`"
            "), but the text '1': write both as texts",
        ),
        ("images", dict(id=1.5), "entry 1 of `images` has no `id`"),
        ("annotations", dict(category_id=2), "of the category 2"),
        ("annotations", dict(category_id=None), "of the category None"),
        ("annotations", dict(bbox=None), "no `bbox` of four finite numbers"),
        ("annotations", dict(bbox=[1, 2, 3]), "no `bbox` of four finite numbers"),
        ("annotations", dict(bbox=[1, 2, 3, 4, 5]), "no `bbox` of four finite numbers"),
        ("annotations", dict(bbox=[1, 2, 3, "4"]), "no `bbox` of four finite numbers"),
        ("annotations", dict(bbox=[1, 2, 3, None]), "no `bbox` of four finite numbers"),
        ("annotations", dict(bbox=[1, 2, 3, True]), "no `bbox` of four finite numbers"),
        ("annotations", dict(bbox=[1, 2, 3, float("nan")]), "no `bbox` of four finite numbers"),
        ("annotations", dict(bbox=[1, 2, 3, float("inf")]), "no `bbox` of four finite numbers"),
        ("annotations", dict(bbox=[10**400, 2, 3, 4]), "no `bbox` of four finite numbers"),
        ("annotations", dict(bbox=[1, 2, -3, 4]), "negative width or height"),
        ("annotations", dict(bbox=[1, 2, 3, -4]), "negative width or height"),
        ("annotations", dict(iscrowd=1), "a region with many objects (`iscrowd`)"),
        ("annotations", dict(ignore=1), "an object that shall not count (`ignore`)"),
        ("annotations", dict(ignore="0"), "an `ignore` of '0'; write 0 or 1"),
        ("annotations", dict(attributes=dict(rotation=30.0)), "is a rotated box"),
        ("annotations", dict(score="high"), "'high' is no finite number"),
        ("images", dict(file_name=None), "image 1 has no `file_name`"),
        ("images", dict(id=None), "entry 1 of `images` has no `id`"),
        ("images", dict(width=-1), "gives -1 as a width or height"),
        ("images", dict(height=2.5), "gives 2.5 as a width or height"),
        ("images", dict(height="x"), "gives 'x' as a width or height"),
        ("images", dict(checked="yes"), "has a `checked` of 'yes'; write true or false"),
        ("categories", dict(name=None), "category 1 has no `name`"),
        ("categories", dict(name=" "), "without the name of a class"),
        ("categories", dict(id=None), "entry 1 of `categories` has no `id`"),
    ],
)
def test_coco_entries(section, change, words, tmp_path):
    content = copy.deepcopy(COCO)
    content[section][0] |= change
    refuses_text(read_coco, tmp_path / "a.json", json.dumps(content), words)


@pytest.mark.parametrize(
    ("section", "entry", "words"),
    [
        ("images", dict(id=1, file_name="b.jpg"), "two entries of `images` the id 1"),
        ("images", dict(id=2, file_name="a.jpg"), "describes the image 'a.jpg' in two ways"),
        ("annotations", COCO["annotations"][0], "two entries of `annotations` the id 5"),
        ("categories", dict(id=1, name="dog"), "two entries of `categories` the id 1"),
    ],
)
def test_coco_entries_twice(section, entry, words, tmp_path):
    content = copy.deepcopy(COCO)
    content[section].append(entry)
    refuses_text(read_coco, tmp_path / "a.json", json.dumps(content), words)


def test_a_value_too_long_to_be_written_out_is_called_it():
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    for value in (10**5000, nested, "x" * 50):
        with pytest.raises(ValueError, match="^it is no finite number$"):
            finite(value)


BOMB = """<?xml version="1.0"?>
<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>
<annotation><filename>&b;</filename></annotation>"""


@pytest.mark.parametrize("read", [read_voc, read_cvat, read_xml, root_tag])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("text", [BOMB, '<!DOCTYPE x SYSTEM "file:///etc/passwd"><annotation/>'])
def test_xml_with_definitions(read, encoding, text, tmp_path):
    path = tmp_path / "a.xml"
    path.write_bytes(text.encode(encoding))
    refuses(read, path, "declares a document type", "remove the declaration")


@pytest.mark.parametrize("read", [read_voc, read_cvat])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "<annotation>",
        "<annotations><image></annotations>",
        "<annotation>&a;</annotation>",
        '<?xml version="1.0" encoding="klingon"?><annotation/>',
    ],
)
def test_broken_xml(read, text, tmp_path):
    refuses_text(read, tmp_path / "a.xml", text, "is no valid XML")


def voc(bndbox, name="<name>cat</name>", more=""):
    return f"<annotation><object>{name}<bndbox>{bndbox}</bndbox>{more}</object></annotation>"


def edges(*values, names=("xmin", "ymin", "xmax", "ymax")):
    return "".join(f"<{n}>{v}</{n}>" for n, v in zip(names, values))


ROTATED = "<attributes><attribute><name>rotation</name><value>30.0</value></attribute></attributes>"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<annotations/>", "has the root <annotations>"),
        ("<annotation><object/></annotation>", "whose `bndbox` lacks `xmin`"),
        (voc(edges(1, 2, 3)), "an object 'cat' whose `bndbox` lacks `ymax`"),
        (voc(edges(1, "", 3, 4)), "whose `bndbox` lacks `ymin`"),
        (voc(edges(1, 2, 3, 4), name=""), "without the name of a class"),
        (voc(edges(1, 2, 3, "x")), "not made of finite numbers ('x' is no finite number)"),
        (voc(edges(1, 2, 3, "nan")), "not made of finite numbers"),
        (voc(edges(1, 2, "1e999", 4)), "not made of finite numbers"),
        (voc(edges(3, 2, 1, 4)), "whose right or lower edge lies before the opposite one"),
        (voc(edges(1, 2, 3, 4), more=ROTATED), "a rotated box of class 'cat'"),
        ("<annotation><size><width>-3</width></size></annotation>", "gives '-3' as a width"),
        (
            "<annotation><objects><bndbox/></objects></annotation>",
            "describes objects in <objects>, where VOC's format wants <object>",
        ),
        (
            voc(edges(1, 2, 3, 4) + "<xmin>1</xmin>"),
            "an object 'cat' with two `name`, two `bndbox`",
        ),
        (voc(edges(1, 2, 3, 4), more="<bndbox/>"), "two `bndbox` or an edge twice; keep one"),
        (
            voc(edges(1, 2, 3, 4)).replace("</object>", "</object>x"),
            "between elements, at <object>",
        ),
    ],
)
def test_voc(text, words, tmp_path):
    refuses_text(read_voc, tmp_path / "a.xml", text, words)


def test_voc_of_one_image_twice(tmp_path):
    for name, size in ("a", 1), ("b", 2):
        text = f"<path>x.jpg</path><size><width>{size}</width></size>"
        (tmp_path / f"{name}.xml").write_text(f"<annotation>{text}</annotation>")
    refuses(read_voc, tmp_path, "describes the image 'x.jpg' in two ways")


def cvat(inner, name='name="a.jpg"'):
    return f'<annotations><image id="3" {name}>{inner}</image></annotations>'


EDGES = 'xtl="1" ytl="2" xbr="3" ybr="4"'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<annotation/>", "has the root <annotation>"),
        ('<annotations><track id="0" label="cat"/></annotations>', "tracks of a video"),
        (cvat("", name=""), "an image without `name` (id '3')"),
        (cvat('<polygon label="cat" points="1,2;3,4;5,6"/>'), "'a.jpg' has a shape <polygon>"),
        (cvat('<ellipse label="cat" cx="1" cy="2" rx="3" ry="4"/>'), "has a shape <ellipse>"),
        (cvat('<mask label="cat" rle="1"/>'), "has a shape <mask>"),
        (cvat(f'<box label="cat" {EDGES} rotation="12.50"/>'), "has a rotated box"),
        (cvat('<box label="cat" xtl="1" ytl="2" xbr="3"/>'), "a box without `ybr`"),
        (cvat(f"<box {EDGES}/>"), "without the name of a class"),
        (cvat(f'<box label="cat" {EDGES.replace("4", "nan")}/>'), "finite numbers"),
        (cvat(f'<box label="cat" {EDGES.replace("3", "0")}/>'), "before the opposite one"),
        (cvat("", name='name="a.jpg" width="1.5"'), "gives '1.5' as a width"),
        (cvat("a box"), "'a.jpg' has the text 'a box' where shapes belong"),
        (cvat(f'<box label="cat" {EDGES}/>a box'), "has text between elements, at <box>"),
        (
            '<annotations><image name="a" width="1"/><image name="a"/></annotations>',
            "describes the image 'a' in two ways",
        ),
    ],
)
def test_cvat(text, words, tmp_path):
    refuses_text(read_cvat, tmp_path / "a.xml", text, words)


VALUE = dict(x=1, y=2, width=3, height=4, rectanglelabels=["cat"])
RESULT = dict(type="rectanglelabels", original_width=100, original_height=50, value=VALUE)


def tasks(*annotations, image="a.jpg", **data):
    return [dict(id=7, data=dict(image=image) | data, annotations=list(annotations))]


def result(*, value=None, **change):
    return tasks(dict(result=[RESULT | change | dict(value=VALUE | (value or {}))]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "is no list of tasks; export from Label Studio as JSON"),
        ([3], "is no list of tasks"),
        (result(type="polygonlabels"), "task 7 has a result of the type 'polygonlabels'"),
        (result(type="brushlabels"), "has a result of the type 'brushlabels'"),
        (result(type="rectangle"), "has a result of the type 'rectangle'"),
        (result(value=dict(rotation=10)), "was rotated"),
        (result(image_rotation=90), "was rotated"),
        (result(original_width=None), "does not say the size of the image"),
        (
            tasks(dict(result=[RESULT, RESULT | dict(original_width=96)])),
            "task 7 has boxes on the image at 96x50 and at 100x50 pixels",
        ),
        (result(value=dict(rectanglelabels=["a", "b"])), "the labels 'a', 'b'"),
        (result(value=dict(rectanglelabels=[])), "without the name of a class"),
        (result(value=dict(width=-1)), "before the opposite one"),
        (result(value=dict(width="wide")), "not as Label Studio exports it (ValueError"),
        (result(value=dict(x=None)), "not as Label Studio exports it (ValueError"),
        (tasks(dict(result=None)), "not as Label Studio exports it (TypeError"),
        (tasks(dict(result=[{}])), "not as Label Studio exports it (KeyError: 'type')"),
        (tasks(3), "not as Label Studio exports it (AttributeError"),
        (tasks(dict(result=[], was_cancelled="no")), "`was_cancelled` is 'no', neither true nor"),
        ([dict(id=7, data=dict(image="a.jpg"))], "task 7 has no `annotations`; export again"),
        ([*tasks(dict(result=[])), dict(id=8, data=3, annotations=[])], "task 8 is not as"),
        (tasks(image=None), "has no `image` in its data"),
        (tasks(image="/data/local-files/?x=1"), "(KeyError: 'd')"),
        (tasks(width="wide"), "gives 'wide' as a width"),
        (tasks(dict(result=[RESULT]), dict(result=[])), "has 2 annotations with different boxes"),
        (
            [*tasks(), dict(id=8, data=dict(image="a.jpg", width=5), annotations=[])],
            "describes the image 'a.jpg' in two ways",
        ),
        ([dict(image_id=1, category_id=1, bbox=[1, 2, 3, 4])], "has no `image` in its data"),
        (
            [dict(id=1, image="a", shape=[dict(points=[[1, 2]], original_width=9)])],
            "a result of the type 'shape'",
        ),
        (
            [dict(id=1, image="a", label=[dict(polygonlabels=["cat"], original_width=9)])],
            "a result of the type 'polygonlabels'",
        ),
        (
            [dict(id=1, image="a", label=[VALUE | RESULT]), dict(id=1, image="a", annotation_id=2)],
            "has 2 annotations with different boxes",
        ),
    ],
)
def test_label_studio(content, words, tmp_path):
    refuses_text(read_label_studio, tmp_path / "a.json", json.dumps(content), words)


FOREIGN = dict(left=1, top=2, width=3, height=4, label="cat")


@pytest.mark.parametrize(
    "entry",
    [
        dict(annotation_id=1, label=json.dumps([VALUE])),
        dict(label=json.dumps([VALUE | dict(original_width=9)])),
        dict(label=json.dumps(VALUE)),
        dict(label=VALUE),
        dict(annotation_id=1, label=[FOREIGN]),
        dict(annotation_id=1, label=json.dumps([FOREIGN])),
        dict(annotation_id="1", label=[dict(coordinates=VALUE)]),
    ],
)
def test_objects_of_json_min_that_are_not_understood(entry, tmp_path):
    text = json.dumps([dict(id=3, image="a.jpg") | entry])
    words = "task 3 has objects in `label`", "export again as JSON"
    refuses_text(read_label_studio, tmp_path / "a.json", text, *words)


@pytest.mark.parametrize(
    ("entry", "checked"),
    [
        (dict(annotation_id=1, c=[dict(choices=["far"], x=1, y=1)]), True),
        (dict(annotation_id=1, t=[dict(text=["?"], x=1, y=1, original_width=9)]), True),
        (dict(annotation_id=1, r=[dict(rating=3)], t='["a", "b"]', n="[draft", d=dict(a=1)), True),
        (dict(annotation_id="", talk=[dict(author="x")]), False),
    ],
)
def test_values_of_json_min_that_draw_nothing(entry, checked, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([dict(id=3, image="a.jpg") | entry]))
    (found,) = read_label_studio(tmp_path / "a.json")
    assert not found.boxes and found.checked is checked


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 0.5 0.5 0.1", "line 2 has 4 values where a box has five"),
        ("0 0.1 0.1 0.2 0.1 0.2 0.2", "polygons, rotated boxes and scores cannot be read"),
        ("0 0.5 0.5 0.1 0.1 0.9", "has 6 values"),
        ("cat 0.5 0.5 0.1 0.1", "is not made of numbers"),
        ("0.0 0.5 0.5 0.1 0.1", "is not made of numbers ('0.0' is no whole number)"),
        ("0_1 0.5 0.5 0.1 0.1", "'0_1' is no whole number"),
        ("0 0.5 x 0.1 0.1", "'x' is no finite number"),
        ("0 0.5 nan 0.1 0.1", "'nan' is no finite number"),
        ("2 0.5 0.5 0.1 0.1", "has the class 2, but there are 2 classes"),
        ("-1 0.5 0.5 0.1 0.1", "has the class -1"),
        ("0 320 240 64 48", "has a value outside 0 to 1"),
        ("0 0.5 0.5 -0.1 0.1", "has a value outside 0 to 1"),
    ],
)
def test_yolo_lines(line, words, tmp_path):
    (tmp_path / "a.txt").write_text(f"1 0.5 0.5 1 1\n{line}\n")
    refuses(lambda f: read_yolo(f, ["x", "y"], lambda _: (8, 8), ["a.jpg"]), tmp_path, words)


# a line more has ten times as many values
ALIASES = "a0: &a0 [x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)
ALIASES += "names: *a8\n"


@pytest.mark.parametrize(
    ("files", "classes", "words"),
    [
        ({}, [], "has no classes.txt"),
        ({"b.txt": "0 0.5 0.5 1 1"}, ["x"], "b.txt belongs to no image that is known"),
        ({"b.txt": ""}, ["x"], "b.txt belongs to no image that is known"),
        ({"two.txt": ""}, ["x"], "may mean the image 'two.jpg' or 'two.png'"),
        ({"classes.txt": "x", "s/classes.txt": "y"}, [], "list different classes"),
        ({"classes.txt": "x\ny\nx"}, [], "names a class twice or has an empty line"),
        ({"classes.txt": "x\n\ny"}, [], "names a class twice or has an empty line"),
        ({"classes.txt": "0 x\n1 y"}, [], "has a number before each name, such as '0 x'"),
        ({"data.yaml": "names: {1: x, 2: y}"}, [], "numbers its `names` 1, 2, but YOLO's numbers"),
        ({"data.yaml": "names: {x: 0, y: 1}"}, [], "numbers its `names` x, y, but YOLO's"),
        ({"data.yaml": "names: cat"}, [], "has no list `names` of the classes"),
        ({"classes.txt": "1 x\n2 z"}, ["x", "z"], "has a number before each name, such as '1 x'"),
        ({"data.yaml": "names: [cat, null]"}, [], "has no list `names` of the classes"),
        ({"data.yaml": "names: {null: x}"}, [], "numbers its `names` None"),
        ({"mine.yaml": "names: {1: x, 2: y}"}, ["x", "y"], "numbers its `names` 1, 2"),
        ({"classes.txt": "# mine\nx\ny"}, ["x", "y"], "has the line '# mine', which would count"),
        ({"classes.txt": "1 x\n2 y"}, [], "has a number before each name, such as '1 x'"),
        ({"data.yaml": "names: [cat]\nnames: [dog]"}, [], "has no list `names` of the classes"),
        ({"data.yaml": ALIASES}, [], "has no list `names` of the classes"),
        ({"unknown.txt": ""}, ["x"], "The size of the image 'unknown.jpg' is unknown"),
        ({"unknown.txt": b"\xff\xfe0"}, ["x"], "is not UTF-8 text"),
    ],
)
def test_yolo_folders(files, classes, words, tmp_path):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    ids = ["two.jpg", "two.png", "unknown.jpg"]
    with pytest.raises(ADSError) as caught:
        read_yolo(tmp_path, classes, lambda _: (0, 0), ids)
    assert words in str(caught.value)
