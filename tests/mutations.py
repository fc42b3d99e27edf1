"""Annotation files of every format, what reads them, and ways to damage a file, by a seeded
generator: shared by tests and benchmarks/fuzz.py."""

import copy
import itertools
import json
import os
import re
import socket

from PIL import Image

from ads_det.data.coco import CocoDataset
from ads_det.data.voc import VOCDataset
from ads_det.errors import ADSError
from ads_det.labels.project import find_labels

WIDTH, HEIGHT = 40, 30
IDS = ("a.jpg", "b.jpg", "c.jpg")
BOXES = {"a.jpg": [("cat", 4, 5, 14, 20), ("dog", 10, 2, 30, 12)], "b.jpg": [("dog", 1, 1, 9, 9)]}

VOC = """<annotation><folder>x</folder><filename>{name}</filename><size><width>40</width>
<height>30</height><depth>3</depth></size>{objects}</annotation>"""
OBJECT = """<object><name>{}</name><difficult>0</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>
<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def voc():
    for name in IDS:
        objects = [
            OBJECT.format(c, x1 + 1, y1 + 1, x2 + 1, y2 + 1)
            for c, x1, y1, x2, y2 in BOXES.get(name, ())
        ]
        yield f"{name[0]}.xml", VOC.format(name=name, objects="\n".join(objects))


def coco():
    names, numbers = ["cat", "dog"], itertools.count(1)
    content = dict(
        images=[dict(id=7 + i, file_name=n, width=40, height=30) for i, n in enumerate(IDS)],
        categories=[dict(id=1 + i, name=n) for i, n in enumerate(names)],
        annotations=[
            dict(
                id=next(numbers),
                image_id=7 + IDS.index(image),
                category_id=1 + names.index(c),
                bbox=[x1, y1, x2 - x1, y2 - y1],
                iscrowd=0,
            )
            for image, boxes in BOXES.items()
            for c, x1, y1, x2, y2 in boxes
        ],
    )
    yield "labels.json", json.dumps(content, indent=0)


def label_studio():
    tasks = []
    for number, name in enumerate(IDS):
        results = [
            dict(
                type="rectanglelabels",
                original_width=40,
                original_height=30,
                value=dict(
                    x=x1 / 0.4,
                    y=y1 / 0.3,
                    width=(x2 - x1) / 0.4,
                    height=(y2 - y1) / 0.3,
                    rotation=0,
                    rectanglelabels=[c],
                ),
            )
            for c, x1, y1, x2, y2 in BOXES.get(name, ())
        ]
        task = dict(id=number, data=dict(image=name))
        tasks.append(dict(task, annotations=[dict(was_cancelled=False, result=results)]))
    yield "labels.json", json.dumps(tasks, indent=0)


def cvat():
    images = []
    for number, name in enumerate(IDS):
        shapes = [
            f'<box label="{c}" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"/>'
            for c, x1, y1, x2, y2 in BOXES.get(name, ())
        ]
        size = f'width="{WIDTH}" height="{HEIGHT}"'
        images.append(f'<image id="{number}" name="{name}" {size}>{"".join(shapes)}</image>')
    yield "labels.xml", f"<annotations><version>1.1</version>{''.join(images)}</annotations>"


def yolo():
    yield "classes.txt", "cat\ndog\n"
    for name in IDS:
        lines = [
            f"{int(c == 'dog')} {(x1 + x2) / 80:.6f} {(y1 + y2) / 60:.6f} {(x2 - x1) / 40:.6f} "
            f"{(y2 - y1) / 30:.6f}"
            for c, x1, y1, x2, y2 in BOXES.get(name, ())
        ]
        yield f"{name[0]}.txt", "\n".join(lines)


FORMATS = dict(voc=voc, coco=coco, label_studio=label_studio, cvat=cvat, yolo=yolo)


def write_images(folder):
    """The three images; paths by name."""
    for name in IDS:
        Image.new("RGB", (WIDTH, HEIGHT), (90, 90, 90)).save(folder / name)
    return {name: str(folder / name) for name in IDS}


def write(folder, files):
    folder.mkdir()
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        (folder / name).write_bytes(data)
    return folder


def imported(folder, images):
    """Boxes by image as a project takes them over, and what it says of others."""
    found = find_labels(folder, images, ["cat", "dog"], "checked")
    boxes = {
        name: sorted((b.name, *(round(c) for c in b.corners)) for b in image.boxes)
        for name, image in found.images.items()
    }
    return boxes, found.problems


def trained_on(folder, images):
    """Boxes by image as a training sees them, and what the data set says of others."""
    options = dict(data_root=str(folder), metainfo=dict(classes=("cat", "dog")), lazy_init=True)
    if (folder / "labels.json").exists():
        place = str(os.path.dirname(images["a.jpg"]))
        dataset = CocoDataset(ann_file="labels.json", data_prefix=dict(img=place), **options)
    else:
        root = folder.with_name(f"{folder.name}_voc")
        (root / "ImageSets/Main").mkdir(parents=True)
        (root / "ImageSets/Main/all.txt").write_text("a\nb\nc\n")
        (root / "JPEGImages").symlink_to(os.path.dirname(images["a.jpg"]))
        (root / "Annotations").symlink_to(folder)
        options["data_root"] = str(root)
        dataset = VOCDataset(ann_file="ImageSets/Main/all.txt", **options)
    items = dataset.load_data_list()
    boxes = {
        os.path.basename(item["img_path"]): sorted(
            (("cat", "dog")[b["bbox_label"]], *(round(c) for c in b["bbox"]))
            for b in item["instances"]
        )
        for item in items
    }
    return boxes, [*dataset.notes.skipped, *dataset.notes.other_classes]


def understood(read, folder, images):
    """What a reader makes of a folder, or its one sentence."""
    try:
        return read(folder, images)
    except ADSError as error:
        message = str(error)
        assert "\n" not in message and message.endswith("."), message
        return message


# -- mutations: each takes a random generator and a text, and may give bytes -------------------

VALUES = ["", " ", "nan", "inf", "-1", "1e999", "1e400", "9" * 5000, "x", "None", "true", "1_0"]
JSON_VALUES = [None, True, False, "", "7", "cat", -1, 2.5, 1e12, float("nan"), float("inf"), [], {}]
JSON_VALUES += [[1], {"a": 1}, 10**400, "\ud800", "1e3", "0"]


def truncate(rng, text):
    return text[: rng.randrange(len(text))]


def flip_byte(rng, text):
    data = bytearray(text.encode())
    data[rng.randrange(len(data))] = rng.choice(b"\x00\xff\xfe<>{}[]\"',:")
    return bytes(data)


def recode(rng, text):
    return text.encode(rng.choice(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7", "cp037"]))


def replace_number(rng, text):
    """A number, wherever it stands, becomes something else."""
    spans = list(re.finditer(r"-?\d+(\.\d+)?", text))
    if not spans:
        return truncate(rng, text)
    span = rng.choice(spans)
    return text[: span.start()] + rng.choice(VALUES) + text[span.end() :]


def replace_whole(rng, text):
    page = "<!DOCTYPE html><html><body>Sign in</body></html>"
    deep = ["[" * 100_000, "<a>" * 50_000, '{"images":' * 20_000]
    return rng.choice(["", " ", "\x00" * 9, page, "<html/>", "null", "[]", "{}", "3", *deep])


ANY = [truncate, flip_byte, recode, replace_number, replace_whole]


def _nodes(value, path=()):
    yield path
    pairs = enumerate(value) if isinstance(value, list) else ()
    for key, child in value.items() if isinstance(value, dict) else pairs:
        yield from _nodes(child, (*path, key))


def _at(content, path):
    for key in path:
        content = content[key]
    return content


def json_value(rng, text):
    content = json.loads(text)
    *path, key = rng.choice([p for p in _nodes(content) if p])
    value = rng.choice(JSON_VALUES)
    if value != [] or not isinstance(_at(content, path)[key], list):  # an empty list says "none"
        _at(content, path)[key] = value
    return json.dumps(content)


def json_key(rng, text):
    """A key is missing, or spelt in another way."""
    content = json.loads(text)
    *path, key = rng.choice([p for p in _nodes(content) if p and isinstance(p[-1], str)])
    value = _at(content, path).pop(key)
    if rng.random() < 0.5:
        _at(content, path)[key.upper()] = value
    return json.dumps(content)


def json_twice(rng, text):
    """An entry stands twice in its list, or a key in its object."""
    content = json.loads(text)
    lists = [p for p in _nodes(content) if isinstance(_at(content, p), list) and _at(content, p)]
    if rng.random() < 0.5 and lists:
        entries = _at(content, rng.choice(lists))
        entries.append(copy.deepcopy(entries[0]))
        return json.dumps(content)
    key = rng.choice([p[-1] for p in _nodes(content) if p and isinstance(p[-1], str)])
    return json.dumps(content).replace(f'"{key}":', f'"{key}": 0, "{key}":', 1)


def tag(rng, text):
    """An element or attribute gets another name."""
    names = sorted(set(re.findall(r"[<\s]([a-z_]+)(?=[>\s=/])", text)))
    name = rng.choice(names)
    other = rng.choice([name.upper(), name.title(), name + "s", f"x{name}"])
    return re.sub(rf"(?<=[<\s/]){name}(?=[>\s=/])", other, text)


def namespace(rng, text):
    return text.replace(">", ' xmlns="http://example.org/x">', 1)


def entity(rng, text):
    head = (
        '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    )
    return head + text.replace("cat", rng.choice(["&c;", "&f;"]), 1)


def drop_word(rng, text):
    words = text.split(" ")
    del words[rng.randrange(len(words))]
    return " ".join(words)


KINDS = dict(
    voc=[*ANY, tag, namespace, entity],
    cvat=[*ANY, tag, namespace, entity],
    coco=[*ANY, json_value, json_key, json_twice],
    label_studio=[*ANY, json_value, json_key, json_twice],
    yolo=[*ANY, drop_word],
)
MUTATIONS = [(name, kind) for name, kinds in KINDS.items() for kind in kinds]


READERS = [(imported, name) for name in KINDS] + [(trained_on, "voc"), (trained_on, "coco")]
CASES = [(read, name, kind) for read, name in READERS for kind in KINDS[name]]


# -- files that are none ------------------------------------------------------------------------


def pipe(path):
    os.mkfifo(path)


def folder(path):
    path.mkdir()


def device(path):
    path.symlink_to("/dev/zero")


def closed_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(path.parent)  # the name of a socket is short
        server.bind(path.name)


def dangling(path):
    path.symlink_to(path.with_name("nowhere"))


def check_labels(rng, read, name, kind, images, folder):
    """Damage one file of a format and read it: whether it was refused. Boxes may have moved and
    images lack a label, which is asked for; none shows fewer in silence."""
    files = dict(FORMATS[name]())
    file = rng.choice([f for f in sorted(files) if files[f]])
    changed = kind(rng, files[file])
    result = understood(read, write(folder, files | {file: changed}), images)
    if isinstance(result, str):
        return True
    boxes, said = result
    if name == "yolo":  # an empty file and a missing last line are what a tool may write
        text = changed if isinstance(changed, str) else changed.decode("utf-8", "replace")
        if len(text.split()) < len(files[file].split()) and len(text.split()) % 5 == 0:
            return False
    for image, shown in boxes.items():
        assert len(shown) >= len(BOXES.get(image, ())) or said, (file, changed, boxes)
    return False
