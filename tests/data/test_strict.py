"""What would make results wrong without a word: classes, shared images, sizes, special files."""

import json
import os
import socket

import cv2
import numpy as np
import pytest
from helpers import DIGITS, tiny_classification_config, tiny_config
from mmengine.config import Config
from PIL import Image

from ads_det.data.class_folders import ClassFolderDataset
from ads_det.data.coco import CocoDataset
from ads_det.data.image_folder import ImageFolderDataset
from ads_det.data.overlap import shared_images
from ads_det.data.readable import find_unreadable, why_unreadable
from ads_det.data.voc import VOCDataset
from ads_det.engine.datasets import (
    candidate_dataset,
    check_checkpoint,
    check_data,
    check_test_objects,
    numbered_test_dataset,
)
from ads_det.errors import ADSError

CAT, DOG = ("cat", 1, 2, 11, 22), ("dog", 5, 6, 25, 16)


def check(cfg, allow=False, simulated=True):
    check_data(cfg, candidate_dataset(cfg), allow, simulated)


def refuses(action, *words):
    with pytest.raises(ADSError) as caught:
        action()
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message
    for word in words:
        assert word in message, message


# -- classes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ads_det.VOCDataset", "mmdet.VOCDataset", "VOCDataset"])
@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ((*DIGITS[1::-1], *DIGITS[2:]), ["number 1 is 'zero'", "'one' in the latter"]),
        (DIGITS[:-1], ["number 10 is 'nine'", "missing in the latter"]),
        ((*DIGITS, "ten"), ["number 11 is missing in the former and 'ten'"]),
    ],
)
def test_pool_and_test_data_of_other_classes(digits, kind, classes, words):
    cfg = tiny_config(digits)
    check(cfg)
    cfg.test_dataloader.dataset.update(type=kind, metainfo=dict(classes=classes))
    refuses(lambda: check(cfg), "The pool and the test data set", *words, "in the same order")


def test_checkpoint_of_other_classes(digits):
    cfg = tiny_config(digits)

    def look(names):
        check_checkpoint(dict(meta=dict(dataset_meta=dict(classes=names))), "a.pth", cfg)

    look(DIGITS), look(list(DIGITS)), look(None)
    check_checkpoint({}, "a.pth", cfg), check_checkpoint([3], "a.pth", cfg)
    refuses(lambda: look(DIGITS[::-1]), "The checkpoint a.pth and the pool", "'nine'", "'zero'")
    refuses(lambda: look(DIGITS[:3]), "number 4 is missing")


@pytest.fixture
def folders(tmp_path):
    """Class folders; writes images that are all different."""

    def write(place, *names):
        for name in names:
            (tmp_path / place / name).mkdir(parents=True)
            pixels = np.random.default_rng(len(os.listdir(tmp_path / place))).integers(0, 255, 192)
            image = pixels.reshape(8, 8, 3).astype(np.uint8)
            image[0, 0] = sum(place.encode()) % 251
            cv2.imwrite(str(tmp_path / place / name / "0.png"), image)
        return str(tmp_path / place)

    return write


def folder_config(pool, test):
    cfg = tiny_classification_config()
    for block, place in (cfg, pool), (cfg.test_dataloader, test):
        key = "pool" if block is cfg else "dataset"
        block[key] = dict(type="ads_det.ClassFolderDataset", data_root=place, size=8)
    return Config(cfg.to_dict())


def test_test_folders_have_the_numbers_of_the_pool(folders):
    cfg = folder_config(folders("pool", "a", "b", "c"), folders("test", "b", "c"))
    check(cfg)
    dataset = numbered_test_dataset(cfg)
    assert dataset["classes"] == ["a", "b", "c"]
    test = ClassFolderDataset(dataset["data_root"], 8, dataset["classes"])
    assert [test.get_data_info(i)["gt_label"] for i in range(2)] == [1, 2]
    assert test.metainfo["classes"] == ("a", "b", "c")
    cfg = folder_config(cfg.pool.data_root, folders("other", "a", "d"))
    refuses(lambda: check(cfg), "a folder 'd'", "a, b, c", "rename or remove")


def test_a_class_that_no_label_names(voc, coco, folders, tmp_path):
    one = dict(classes=("cat", "dog"))
    root = voc({"a": [CAT], "b": []})
    dataset = VOCDataset("ImageSets/Main/trainval.txt", data_root=str(root), metainfo=one)
    assert dataset.absent_classes() == ["dog"]
    root = coco({"a.jpg": [("cat", [0, 1, 9, 9])]}, one["classes"])
    options = dict(data_prefix=dict(img="images"), metainfo=one, lazy_init=True)
    dataset = CocoDataset(ann_file="train.json", data_root=str(root), **options)
    assert dataset.absent_classes() == ["dog"]
    dataset = ClassFolderDataset(folders("pool", "a"), 8, ("a", "b"))
    assert dataset.absent_classes() == ["b"]


def test_the_loop_stops_at_a_class_that_no_label_names(digits):
    cfg = tiny_config(digits)
    for block in cfg.pool, cfg.test_dataloader.dataset:
        block.metainfo = dict(classes=(*DIGITS, "ten"))
    refuses(lambda: check(cfg), "names the class 'ten'", "`metainfo.classes`")
    check(cfg, simulated=False)  # people may still find one


def test_test_images_that_show_nothing(coco):
    options = dict(data_prefix=dict(img="images"), metainfo=dict(classes=("cat",)))
    for boxes in [("cat", [0, 1, 9, 9])], []:
        root = coco({"a.jpg": boxes}, ["cat"])
        test = CocoDataset(ann_file="train.json", data_root=str(root), **options)
        if boxes:
            check_test_objects(test)
        else:
            refuses(lambda t=test: check_test_objects(t), "No label of the test images")


@pytest.mark.parametrize("name", ["Cat", " CAT "])
def test_a_class_in_another_spelling(coco, name):
    boxes = [("cat", [0, 1, 9, 9]), (name, [0, 1, 9, 9])]
    root = coco({"a.jpg": boxes}, ["cat", name])
    options = dict(data_prefix=dict(img="images"), metainfo=dict(classes=("cat",)))
    refuses(
        lambda: CocoDataset(ann_file="train.json", data_root=str(root), **options),
        *(repr(name), "'cat'", "in the same way"),
    )


# -- shared images ------------------------------------------------------------------------------


def test_the_same_file_by_any_name_and_the_same_content(tmp_path):
    content = {"a": b"a" * 9, "b": b"b" * 9, "c": b"c" * 99_999, "d": b"c" * 99_998 + b"d"}
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "copy").write_bytes(content["c"])

    def shared(first, second):
        paths = [{name: str(tmp_path / name) for name in side.split()} for side in (first, second)]
        return shared_images(*paths)

    assert shared("a b c", "d") == shared("a", "b") == []
    assert shared("empty pipe none", "empty pipe none") == []
    assert shared("a b c d", "copy link") == [("c", "copy"), ("a", "link")]
    assert shared("a", "a") == [("a", "a")]


def test_test_images_of_the_pool(digits):
    cfg = tiny_config(digits)
    cfg.test_dataloader.dataset.ann_file = cfg.pool.ann_file
    refuses(lambda: check(cfg), "'000001'", "(and 39 more)", "allow_test_in_pool=True")
    check(cfg, allow=True)
    cfg = tiny_classification_config()
    check(cfg)
    cfg.test_dataloader.dataset.train = cfg.pool.get("train", True)
    refuses(lambda: check(cfg), "'train/00000'", "(and 1296 more)")


# -- sizes --------------------------------------------------------------------------------------


def voc_dataset(root):
    options = dict(data_root=str(root), metainfo=dict(classes=("cat", "dog")))
    return VOCDataset("ImageSets/Main/trainval.txt", **options)


@pytest.mark.parametrize(("size", "words"), [((20, 15), "20x15"), ((80, 60), "80x60")])
def test_labels_of_an_image_of_another_size(voc, coco, size, words):
    root = voc({"a": [CAT]})
    picture = np.zeros((*size[::-1], 3), np.uint8)
    cv2.imwrite(str(root / "JPEGImages/a.jpg"), picture)
    refuses(lambda: voc_dataset(root), "a.xml", "40x30", "a.jpg", words, "original image")
    root = coco({"a.jpg": [("cat", [0, 1, 9, 9])]}, ["cat", "dog"])
    cv2.imwrite(str(root / "images/a.jpg"), picture)
    options = dict(data_prefix=dict(img="images"), metainfo=dict(classes=("cat", "dog")))
    refuses(
        lambda: CocoDataset(ann_file="train.json", data_root=str(root), **options),
        *("train.json: image 'a.jpg'", "40x30", words),
    )


@pytest.mark.parametrize(
    "size", ["<width>0</width><height>0</height>", "<width>41</width><height>30</height>"]
)
def test_sizes_that_say_nothing_or_are_rounded(voc, size):
    root = voc({"a": [CAT]})
    xml = root / "Annotations/a.xml"
    before, after = xml.read_text().split("<size>")[0], xml.read_text().split("</size>")[1]
    xml.write_text(f"{before}<size>{size}</size>{after}")
    item = voc_dataset(root).get_data_info(0)
    assert (item["width"], item["height"], len(item["instances"])) == (40, 30, 1)


def test_swapped_sizes_are_said(voc, warnings):
    root = voc({"a": [CAT]})
    xml = root / "Annotations/a.xml"
    text = xml.read_text().replace("<width>40</width><height>30", "<width>30</width><height>40")
    xml.write_text(text)
    assert len(voc_dataset(root).get_data_info(0)["instances"]) == 1
    assert "swaps the width and the height" in warnings()[0]


def test_boxes_outside_the_image_are_skipped_and_named(voc, warnings):
    root = voc({"a": [CAT, ("dog", 41, 2, 60, 12), ("dog", 2, 31, 9, 60), ("dog", 1, 1, 10**9, 9)]})
    assert len(voc_dataset(root).get_data_info(0)["instances"]) == 1
    (message,) = warnings()
    assert message.startswith("Skipped 3 box(es) without area or outside the image in ")
    assert "a.xml: (41, 2, 60, 12); (2, 31, 9, 60); (1, 1, 1000000000, 9)" in message


def test_an_image_resized_after_the_import_of_its_label(image, tmp_path):
    labels = tmp_path / "labels"
    labels.mkdir()
    annotation = dict(id=1, image_id=1, category_id=1, bbox=[1, 1, 9, 9])
    entry = dict(id=1, file_name="a.jpg", width=80, height=60)
    content = dict(images=[entry], annotations=[annotation], categories=[dict(id=1, name="cat")])
    (labels / "000_initial.json").write_text(json.dumps(content))
    image(tmp_path / "images/a.jpg")
    options = dict(data_root=str(tmp_path / "images"), metainfo=dict(classes=("cat",)), ann_file="")
    refuses(lambda: ImageFolderDataset(labels=labels, **options), "'a.jpg'", "80x60", "40x30")


# -- files --------------------------------------------------------------------------------------


def test_special_files_are_no_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.mkdir("folder")
    os.symlink("/dev/zero", "device")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    kinds = dict(pipe="named pipe", folder="folder", device="device", socket="socket")
    assert find_unreadable({name: name for name in kinds}) == {
        name: f"it is a {kind}, no regular file" for name, kind in kinds.items()
    }


def test_a_special_file_among_class_folders(folders, tmp_path):
    root = folders("pool", "a")
    os.mkfifo(tmp_path / "pool/a/1.png")
    refuses(lambda: ClassFolderDataset(root), "1.png cannot be read", "named pipe")


def test_images_that_grow(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    root = folders("pool", "a")
    refuses(lambda: ClassFolderDataset(root, size=9), "0.png cannot be read", "exceeds limit")
    assert "exceeds limit" in why_unreadable(str(tmp_path / "pool/a/0.png"))


def test_what_the_loader_does_not_decode_is_found(tmp_path):
    picture = Image.new("RGB", (32, 32))
    for name, kind in ("a.jpg", "ICO"), ("b.png", "PCX"), ("c.jpg", "TIFF"), ("d.jpg", "PPM"):
        picture.save(tmp_path / name, format=kind)
    found = {name: why_unreadable(str(tmp_path / name)) for name in os.listdir(tmp_path)}
    assert "OpenCV" in found["a.jpg"] and "PCX" in found["b.png"]
    assert found["c.jpg"] is None and found["d.jpg"] is None
