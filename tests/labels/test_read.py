"""The format is seen from the content; archives are read like folders."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

import ads_det.labels.read
from ads_det.errors import ADSError
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.coco import write_coco
from ads_det.labels.cvat import write_cvat
from ads_det.labels.label_studio import write_label_studio
from ads_det.labels.project import find_labels
from ads_det.labels.read import detect_format, read_labels
from ads_det.labels.store import LabelStore
from ads_det.labels.voc import write_voc

ONE = [ImageLabels("кот 1.jpg", 20, 10, (Box("cat", 2, 1, 12, 6),))]
UNSEEN = [ImageLabels("кот 1.jpg", 20, 10, checked=False)]


def coco(folder: Path) -> Path:
    write_coco(ONE, ["cat"], folder / "some.json")
    return folder / "some.json"


def label_studio(folder: Path) -> Path:
    write_label_studio(ONE, ["cat"], folder / "some.json", str)
    return folder / "some.json"


def cvat(folder: Path) -> Path:
    write_cvat(ONE, ["cat"], folder / "annotations.xml")
    return folder / "annotations.xml"


def voc(folder: Path) -> Path:
    write_voc(ONE, ["cat"], folder / "labels")
    return folder / "labels" / "кот 1.xml"


def yolo(folder: Path) -> Path:
    (folder / "labels").mkdir()
    (folder / "labels" / "кот 1.txt").write_text("0 0.35 0.35 0.5 0.5\n")
    (folder / "classes.txt").write_text("cat\n")
    (folder / "notes.json").write_text('{"categories": [{"id": 0, "name": "cat"}], "info": {}}')
    return folder


@pytest.fixture
def paths(tmp_path):
    """Of the image, turned by its orientation tag."""
    path = tmp_path / "image.jpg"
    image = Image.new("RGB", (10, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(path, exif=exif)
    return {"кот 1.jpg": str(path)}


def pack(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
        file.writestr("images/кот 1.jpg", b"no image")
        file.writestr("__MACOSX/._some.json", b"\x00\x05")
        file.writestr("__MACOSX/._annotations.xml", b"\x00\x05")
    return archive


@pytest.mark.parametrize("make", [coco, label_studio, cvat, voc, yolo])
@pytest.mark.parametrize("how", ["file", "folder", "zip", "zip of a folder"])
def test_all_formats(make, how, paths, tmp_path):
    top = tmp_path / "top"
    folder = top / "export" if how == "zip of a folder" else top
    folder.mkdir(parents=True)
    path = make(folder)
    if how == "folder":
        path = top
    elif how.startswith("zip"):
        path = pack(top, tmp_path / "export.zip")
    assert detect_format(path) == make.__name__
    assert detect_format(str(path)) == make.__name__
    assert read_labels(path, paths=paths) == (UNSEEN if make is label_studio else ONE)


def test_the_labels_of_a_project(tmp_path):
    store = LabelStore(tmp_path / "labels")
    store.add([ImageLabels("кот 1.jpg", 20, 10)], ["cat"], "cycle_00")
    store.add(ONE, ["cat"], "cycle_01")  # of an image the last import counts
    assert detect_format(store.folder) == "project" and read_labels(store.folder) == ONE


def test_yolo_classes_from_the_argument(paths, tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "кот 1.txt").write_text("1 0.35 0.35 0.5 0.5\n")
    assert read_labels(folder, ["dog", "cat"], paths) == ONE


def test_a_byte_order_mark_and_space_before_json(tmp_path):
    path = coco(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf\n " + path.read_bytes())
    assert detect_format(path) == "coco"


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"a.txt": "some text"},
        {"list.txt": "000005\n000007\n"},
        {"a.json": "{}"},
        {"a.json": '"images"'},
        {"a.json": ""},
        {"a.xml": "<project/>"},
        {"a.csv": "image,x,y\n"},
    ],
)
def test_unknown_formats(files, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        refuses(tmp_path / name, "holds no labels in a format that is known", "COCO", "YOLO")
    refuses(tmp_path, "holds no labels in a format that is known", "Label Studio", "CVAT", "VOC")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", '{"images": []}'.encode("utf-16"), "is UTF-16 or UTF-32 text; save it as UTF-8"),
        ("a.json", '{"images": []}'.encode("utf-16-be"), "is no UTF-8 text; save it as UTF-8"),
        ("a.json", b'{"info": {"a": 1', "is no valid JSON"),
        ("a.json", b'[{"id": 1, ', "is no valid JSON"),
        ("a.json", b'{"image": "a"}\n{"image": "b"}', "is no valid JSON"),
        (
            "a.json",
            b'[{"image": "a", "annotations": [{"label": "x", "coordinates": {}}]}]',
            "known",
        ),
        ("a.json", b'[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]', "is known"),
        ("a.json.gz", b"\x1f\x8b\x08", "is a gzip archive; extract it"),
        ("a.zip", b"PK\x03\x04\x14", "is a damaged ZIP archive, perhaps cut short"),
    ],
)
def test_the_reason_why_a_file_is_not_known(name, content, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    refuses(tmp_path / name, words)
    if name == "a.json":
        with pytest.raises(ADSError, match=words):
            detect_format(tmp_path)


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("train/images/a.jpg", "train/labels/a.txt"),
        ("images/train/a.jpg", "labels/train/a.txt"),
        ("JPEGImages/a.jpg", "Annotations/a.xml"),
    ],
)
def test_usual_layouts_given_as_their_root(image, label, tmp_path):
    for name in image, image.replace("train", "valid"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10)).save(tmp_path / name)
    (tmp_path / label).parent.mkdir(parents=True)
    if label.endswith("txt"):
        (tmp_path / label).write_text("0 0.35 0.35 0.5 0.5\n")
        (tmp_path / "data.yaml").write_text("names: [cat]\n")
    else:
        write_voc([ImageLabels("a.jpg", 20, 10, ONE[0].boxes)], ["cat"], tmp_path / "Annotations")
    paths = {p.relative_to(tmp_path).as_posix(): str(p) for p in tmp_path.rglob("*.jpg")}
    found = find_labels(tmp_path, paths, [], "skip")
    assert not found.problems
    assert found.images == {image: ImageLabels(image, 20, 10, ONE[0].boxes)}


@pytest.mark.parametrize(
    "name",
    ["data.yml", "Classes.txt", "../data.yaml", "../../classes.txt", "mydata.yaml", "labels.txt",
     "_darknet.labels", "my.names", "predefined.txt"],
)  # fmt: skip
def test_where_the_classes_of_yolo_may_be_listed(name, paths, tmp_path, capsys):
    folder = tmp_path / "top/train/labels"
    folder.mkdir(parents=True)
    (folder / "кот 1.txt").write_text("1 0.35 0.35 0.5 0.5\n")
    (folder / name).write_text("names: [dog, cat]\n" if "data" in name else "dog\ncat\n")
    assert read_labels(folder, ["cat", "dog"], paths) == ONE
    assert ("has no list of classes; the one in" in capsys.readouterr().out) == (".." in name)


def test_an_archive_takes_no_classes_from_around_it(paths, tmp_path, monkeypatch):
    (tmp_path / "classes.txt").write_text("dog\n")
    monkeypatch.setattr(ads_det.labels.read.TemporaryDirectory, "__enter__", lambda _: new)
    new = str(tmp_path / "new")
    path = archive_of(tmp_path, "кот 1.txt", "0 0.35 0.35 0.5 0.5\n")
    assert read_labels(path, ["cat"], paths) == ONE


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("../coco8.yaml", "names: [person, cat]"),
        ("../iris.names", "a\nb"),
        ("conda.yaml", "names: [a, b]"),
        ("notes.txt", "cat"),
        ("more.yaml", "names: [dog, cat, bird]"),
    ],
)
def test_files_of_others_list_no_classes(name, text, paths, tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "кот 1.txt").write_text("1 0.35 0.35 0.5 0.5\n")
    if name == "more.yaml":
        (folder / "data.yaml").write_text("names: [dog, cat]\n")
    (folder / name).write_text(text)
    (tmp_path / "latin.txt").write_bytes(b"\xe9\n")
    assert read_labels(folder, ["dog", "cat"], paths) == ONE


def test_an_archive_with_backslashes(paths, tmp_path, capsys):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a\\labels\\кот 1.txt", "1 0.35 0.35 0.5 0.5\n")
        archive.writestr("a\\classes.txt", "dog\ncat\n")
    assert read_labels(path, ["cat", "dog"], paths) == ONE
    assert "numbers taken" not in capsys.readouterr().out
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("кот 1.txt", "0 0.35 0.35 0.5 0.5\n")
    assert read_labels(path, ["cat", "dog"], paths) == ONE
    assert f"{path} has no list of classes; numbers taken" in capsys.readouterr().out


@pytest.mark.parametrize("classes", [None, ""])
def test_numbers_of_yolo_from_the_argument_are_said(classes, paths, tmp_path, capsys):
    (tmp_path / "l").mkdir()
    (tmp_path / "l/кот 1.txt").write_text("1 0.35 0.35 0.5 0.5\n")
    if classes is not None:
        (tmp_path / "l/classes.txt").write_text(classes)
    assert read_labels(tmp_path / "l", ["dog", "cat"], paths) == ONE
    assert "numbers taken from --classes: 0 dog, 1 cat." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cat .5 .5 .2 .2", "line 1 is not made of numbers .*write the number of the class"),
        ("0 nan .5 .2 .2", "line 1 is not made of numbers .'nan' is no finite number"),
        ("0 0,5 0,5 0,2 0,2", "line 1 is not made of numbers .* with a decimal point"),
        ("0,.5,.5,.2,.2", "line 1 has commas or semicolons between its values; write blanks"),
        ("cat; .5; .5; .2; .2", "line 1 has commas or semicolons"),
    ],
)
def test_first_lines_of_yolo(line, words, paths, tmp_path):
    (tmp_path / "кот 1.txt").write_text(f"{line}\n")
    with pytest.raises(ADSError, match=f"кот 1.txt: {words}"):
        read_labels(tmp_path, ["cat"], paths)
    with pytest.raises(ADSError, match="кот 1.txt belongs to no image"):
        read_labels(tmp_path, ["cat"], {})


def refuses(path: Path, *words: str, functions=(detect_format, read_labels)) -> None:
    for function in functions:
        with pytest.raises(ADSError) as caught:
            function(path)
        for word in (str(path), *words):
            assert word in str(caught.value)


def test_missing_file(tmp_path):
    refuses(tmp_path / "none.json", "cannot be read (No such file or directory)")


@pytest.mark.parametrize("make", [coco, cvat])
def test_several_files(make, tmp_path):
    for name in "train", "val":
        (tmp_path / name).mkdir()
        make(tmp_path / name)
    refuses(tmp_path, "holds 2 files of labels", "give one of them")


def test_several_formats(tmp_path):
    (tmp_path / "a.xml").write_text("<annotation><path>a.jpg</path></annotation>")
    (tmp_path / "b.txt").write_text("0 .5 .5 .2 .2\n")
    (tmp_path / "classes.txt").write_text("cat\n")
    with pytest.raises(ADSError, match=r"labels in several formats \(voc, yolo\)"):
        read_labels(tmp_path, [], {})


@pytest.mark.parametrize("make", [coco, cvat])
def test_other_files_beside_the_labels(make, tmp_path):
    make(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "a_config.xml").write_text("<View/>")
    (tmp_path / "README.txt").write_text("Exported by a tool.")
    assert read_labels(tmp_path) == ONE


def archive_of(tmp_path: Path, name: str, content: str | bytes = "") -> Path:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name", ["../a.json", "/a.json", "x/../../a.json", "..\\x\\a.xml", "C:\\a.txt"]
)
def test_archives_that_lead_out(name, tmp_path):
    refuses(archive_of(tmp_path, name, "[]"), "which leads out of the archive")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_archives_that_grow(tmp_path, monkeypatch):
    path = archive_of(tmp_path, "a.json", b" " * 2**20)
    assert path.stat().st_size < 2**12
    monkeypatch.setattr(ads_det.labels.read, "_MAX_BYTES", 2**19)
    refuses(path, "GiB of label files; extract it and give the folder")


def test_archives_that_grow_as_no_labels_do(tmp_path, monkeypatch):
    path = archive_of(tmp_path, "a.json", b" " * 2**20)
    monkeypatch.setattr(ads_det.labels.read, "_BOMB", 2**19)
    refuses(path, "would grow to 1 MiB, more than 100 times its size")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_with_two_files_of_one_name(tmp_path):
    path = archive_of(tmp_path, "x/a.json", "[]")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("x/a.json", "[1]")
    refuses(path, "has two files 'x/a.json'; keep one of them")


def test_archives_whose_names_are_too_long_for_the_disk(tmp_path):
    path = archive_of(tmp_path, "a" * 300 + ".json", "[]")
    refuses(path, "cannot be extracted (File name too long); extract it and give the folder")


def test_large_images_in_archives_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(ads_det.labels.read, "_MAX_BYTES", 2**12)
    path = archive_of(tmp_path, "a.jpg", b" " * 2**20)
    with zipfile.ZipFile(path, "a") as file:
        file.write(coco(tmp_path), "a.json")
    assert read_labels(path) == ONE


def test_damaged_archive(tmp_path):
    path = archive_of(tmp_path, "a.json", json.dumps(list(range(1000))))
    content = bytearray(path.read_bytes())
    content[60:80] = b"\xff" * 20
    path.write_bytes(content)
    refuses(path, "is a damaged or encrypted archive", "export it again")


def test_encrypted_archive(tmp_path):
    path = archive_of(tmp_path, "a.json", "[]")
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag in the file's header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    path.write_bytes(content)
    refuses(path, "is a damaged or encrypted archive", "encrypted")


def test_messages_name_the_archive(tmp_path):
    path = archive_of(tmp_path, "x/a.xml", "<annotation>")
    refuses(path, f"{path}/x/a.xml is no valid XML", functions=[read_labels])
    path = archive_of(tmp_path, "x/a.xml", "<annotation")
    refuses(path, f"{path}/x/a.xml is no valid XML")


def test_yolo_without_images(tmp_path):
    (tmp_path / "top").mkdir()
    path = pack(yolo(tmp_path / "top"), tmp_path / "a.zip")
    refuses(path, "belongs to no image that is known", functions=[read_labels])


def test_no_heavy_imports():
    code = (
        "import sys, ads_det.labels.read; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'mmdet', 'mmengine')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
