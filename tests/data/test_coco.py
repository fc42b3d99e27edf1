"""COCO-format folders: the same boxes as in VOC format, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from mmdet.datasets import CocoDataset as MMDetCocoDataset
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from ads_det.data.coco import CocoDataset
from ads_det.data.voc import VOCDataset
from ads_det.errors import ADSError

CLASSES = ("cat", "dog")
CAT, DOG = ("cat", [0, 1, 11, 21]), ("dog", [4.5, 5.25, 21, 11])
LOAD = dict(type="LoadImageFromFile")


def build(root: Path, **options) -> CocoDataset:
    """As a run builds it, with classes cat and dog unless told otherwise."""
    options = (
        dict(
            ann_file="train.json",
            data_prefix=dict(img="images/"),
            metainfo=dict(classes=CLASSES),
            serialize_data=False,  # it runs the garbage collector each time
        )
        | options
    )
    return DATASETS.build(dict(type="ads_det.CocoDataset", data_root=str(root), **options))


def items(dataset: CocoDataset) -> list[dict]:
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def refuses(*words: str, root: Path, **options) -> None:
    """Building stops with one sentence that has all the words."""
    with pytest.raises(ADSError) as caught:
        build(root, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in ("train.json", *words):
        assert word in message


def change(root: Path, section: str, index: int, **fields) -> None:
    """Set fields of one entry of the file; those given as None are deleted."""
    content = json.loads((root / "train.json").read_text())
    entry = content[section][index] | fields
    content[section][index] = {k: v for k, v in entry.items() if v is not None}
    (root / "train.json").write_text(json.dumps(content))


def test_ids_are_file_names(coco):
    root = coco({"b.jpg": [CAT], "deep/a b.png": [DOG], "猫.jpg": []}, CLASSES)
    dataset = build(root, pipeline=[LOAD])
    names = ["b.jpg", "deep/a b.png", "猫.jpg"]
    assert list(dataset.image_paths()) == names
    assert [item["img_path"] for item in items(dataset)] == [
        str(root / "images" / name) for name in names
    ]
    # what CocoMetric compares with the file
    assert [item["img_id"] for item in items(dataset)] == [100, 101, 102]
    # what the loop and its strategies look for
    assert dataset.loaded_ids() == names and list(dataset.count_objects()) == names
    assert dataset[1]["img"].shape == (30, 40, 3)
    unlabeled = build(root, load_annotations=False)
    assert [item["img_id"] for item in items(unlabeled)] == names


def test_subset_keeps_the_order_of_the_ids(coco, tmp_path):
    root = coco({"a.jpg": [CAT], "b.jpg": [DOG], "c.jpg": [CAT, CAT]}, CLASSES)
    (tmp_path / "ids.txt").write_text("c.jpg\na.jpg\n")
    for subset in (["c.jpg", "a.jpg"], str(tmp_path / "ids.txt")):
        dataset = build(root, ids=subset)
        assert [item["img_id"] for item in items(dataset)] == [102, 100]
        assert [len(item["instances"]) for item in items(dataset)] == [2, 1]
    refuses("'d.jpg'", "does not contain", "such as 'a.jpg'", root=root, ids=["d.jpg"])


def test_images_beside_the_file_need_no_prefix(coco):
    root = coco({"a.jpg": [CAT]}, CLASSES)
    dataset = CocoDataset(
        ann_file="../train.json", data_root=str(root / "images"), metainfo=dict(classes=CLASSES)
    )
    assert Path(items(dataset)[0]["img_path"]) == root / "images/a.jpg"
    with pytest.raises(ADSError, match=r"`data_prefix` .* dict\(img='...'\)"):
        build(root, data_prefix=dict(img_path="images"))


def test_boxes_are_those_of_the_same_data_in_voc_format(coco, voc):
    """Equal but for the far corner, which lies one pixel further out in COCO.

    VOC names the first and the last pixel of a box, counted from 1; mmdet takes one off all
    four numbers, so that the far corner is the last pixel. COCO's box ends where that pixel
    ends: x, y, width, height = xmin - 1, ymin - 1, xmax - xmin + 1, ymax - ymin + 1.
    """
    objects = {"a": [("cat", 1, 2, 11, 22), ("dog", 5, 6, 40, 30)], "b": [("dog", 3, 3, 9, 7)]}
    as_coco = {
        f"{name}.jpg": [(c, [x - 1, y - 1, x2 - x + 1, y2 - y + 1]) for c, x, y, x2, y2 in boxes]
        for name, boxes in objects.items()
    }
    ours = items(build(coco(as_coco, CLASSES)))
    theirs = items(
        VOCDataset(
            ann_file="ImageSets/Main/trainval.txt",
            data_root=str(voc(objects)),
            metainfo=dict(classes=CLASSES),
            serialize_data=False,
        )
    )
    for a, b in zip(ours, theirs, strict=True):
        assert (a["width"], a["height"]) == (b["width"], b["height"])
        for key in ("bbox_label", "ignore_flag"):
            assert [i[key] for i in a["instances"]] == [i[key] for i in b["instances"]]
        difference = np.subtract(
            [i["bbox"] for i in a["instances"]], [i["bbox"] for i in b["instances"]]
        )
        assert (difference == [0, 0, 1, 1]).all()


def test_items_are_those_of_mmdet(coco):
    images = {"a.jpg": [CAT, DOG, CAT], "b.jpg": [], "c.jpg": [("bird", [1, 1, 5, 5]), DOG]}
    root = coco(images, ["dog", "bird", "cat"])
    content = json.loads((root / "train.json").read_text())
    for annotation in content["annotations"]:
        annotation["area"] = 50
    content["annotations"][0]["iscrowd"] = 1
    (root / "train.json").write_text(json.dumps(content))
    options = dict(
        ann_file="train.json",
        data_root=str(root),
        data_prefix=dict(img="images/"),
        metainfo=dict(classes=("dog", "cat")),
    )
    ours, theirs = items(CocoDataset(**options)), items(MMDetCocoDataset(**options))
    assert [item.pop("pool_id") for item in ours] == list(images)
    assert ours == theirs
    flags = [(i["bbox_label"], i["ignore_flag"]) for i in ours[0]["instances"]]
    assert flags == [(1, 1), (0, 0), (1, 0)]
    content["annotations"][1]["ignore"] = 1  # mmdet drops it, and it would be background
    (root / "train.json").write_text(json.dumps(content))
    flags = [i["ignore_flag"] for i in items(CocoDataset(**options))[0]["instances"]]
    assert flags == [1, 1, 0]
    content["annotations"][1]["ignore"] = "0"
    (root / "train.json").write_text(json.dumps(content))
    with pytest.raises(ADSError, match="an `ignore` of '0'; write 0 or 1"):
        items(CocoDataset(**options))


def test_only_the_list_of_images_is_needed_without_labels(coco):
    root = coco({"a.jpg": [CAT], "b.jpg": []}, CLASSES)
    content = dict(images=[dict(file_name="a.jpg"), dict(file_name="b.jpg")])
    (root / "train.json").write_text(json.dumps(content))
    dataset = build(
        root,
        load_annotations=False,
        filter_cfg=None,
        pipeline=[
            LOAD,
            dict(type="Resize", scale=(64, 64), keep_ratio=False),
            dict(type="PackDetInputs", meta_keys=("img_id", "img_shape")),
        ],
    )
    assert [data["data_samples"].img_id for data in dataset] == ["a.jpg", "b.jpg"]
    assert dataset[0]["inputs"].shape == (3, 64, 64)
    assert len(build(root, load_annotations=False, filter_cfg=dict(filter_empty_gt=True))) == 2
    refuses("no list `categories`", root=root)


def test_unusable_boxes_are_skipped_and_reported_once(coco, warnings):
    bad = [[5, 5, 0, 4], [5, 5, 4, 0], [9, 9, -3, 4], [5, 5, 0.5, 9], [40, 3, 5, 5]]
    flat = [("cat", box) for box in bad]
    root = coco({"a.jpg": [CAT, *flat, DOG], "b.jpg": [flat[0]], "c.jpg": [flat[1]]}, CLASSES)
    dataset = build(root, ids=["a.jpg", "b.jpg"])
    items(dataset)
    assert [[i["bbox"] for i in item["instances"]] for item in items(dataset)] == [
        [[0, 1, 11, 22], [4.5, 5.25, 25.5, 16.25]],
        [],
    ]
    build(root, ids=["a.jpg", "b.jpg"])
    first, second = warnings()  # c.jpg's labels have not been asked for
    assert first.startswith("Skipped 5 box(es)") and "in a.jpg: [5, 5, 0, 4]; " in first
    assert second.startswith("Skipped 1 box(es)") and second.endswith("in b.jpg: [5, 5, 0, 4]")


@pytest.mark.parametrize("area", [None, 0, 231.5])
def test_area_does_not_matter(coco, warnings, area):
    root = coco({"a.jpg": [CAT]}, CLASSES)
    change(root, "annotations", 0, area=area)
    (item,) = items(build(root))
    assert [i["bbox"] for i in item["instances"]] == [[0, 1, 11, 22]]
    assert warnings() == []


def test_an_object_that_is_listed_twice_is_said(coco, warnings):
    items(build(coco({"a.jpg": [CAT, CAT, DOG], "b.jpg": [CAT]}, CLASSES)))
    (line,) = [line for line in warnings() if "listed twice" in line]
    assert line.startswith("1 object(s) of") and "images/a.jpg" in line


def test_labels_not_asked_for_are_left_alone(coco, warnings):
    root = coco({"a.jpg": [CAT], "b.jpg": [DOG, ("bird", [1, 1, 5, 5])]}, [*CLASSES, "bird"])
    change(root, "annotations", 1, bbox=["no", "number"])
    assert len(items(build(root, ids=["a.jpg"]))) == 1
    assert warnings() == []
    refuses("no `bbox` of four finite numbers", root=root)


def test_objects_of_other_classes_are_reported(coco, warnings):
    root = coco({"a.jpg": [CAT, ("bird", [1, 1, 5, 5])]}, [*CLASSES, "bird"])
    assert len(items(build(root))[0]["instances"]) == 1
    (message,) = warnings()
    assert "'bird' (1)" in message and "cat" not in message


def test_images_without_usable_objects_are_filtered(coco):
    images = {"a.jpg": [CAT], "flat.jpg": [("cat", [5, 5, 0, 4])], "none.jpg": []}
    root = coco(images, CLASSES)
    drop = dict(filter_empty_gt=True)
    assert [item["img_id"] for item in items(build(root, filter_cfg=drop))] == [100]
    assert len(build(root, filter_cfg=drop, test_mode=True)) == 3
    words = ("None of the 2 images", "filter_empty_gt")
    refuses(*words, root=root, ids=["none.jpg", "flat.jpg"], filter_cfg=drop)


def test_classes(coco):
    root = coco({"a.jpg": [CAT, DOG]}, CLASSES)
    one = items(build(root, metainfo=dict(classes=("dog",))))
    assert [i["bbox_label"] for i in one[0]["instances"]] == [0]
    words = ("'Cat'", "'cat', 'dog'", "metainfo.classes")
    refuses("no category", *words, root=root, metainfo=dict(classes=("Cat", "dog")))
    # mmdet would number them as the file does and swap the two classes
    swapped = dict(classes=("dog", "cat"))
    refuses("order ('cat', 'dog')", "metainfo.classes", root=root, metainfo=swapped)
    refuses("'person' (and 77 more)", root=root, metainfo=None)


def test_missing_images(coco):
    root = coco({"a.jpg": [CAT], "deep/b.jpg": [DOG], "deep/c.jpg": []}, CLASSES)
    (root / "images/deep/b.jpg").unlink()
    path = str(root / "images/deep/b.jpg")
    refuses(f"{path}, which does not exist", "data_prefix", root=root)
    refuses(path, root=root, load_annotations=False)
    refuses("(and 2 more)", "a.jpg", root=root, data_prefix=dict(img="elsewhere"))


def test_file_name_twice(coco):
    root = coco({"a.jpg": [CAT], "b.jpg": [DOG]}, CLASSES)
    change(root, "images", 1, file_name="a.jpg")
    refuses("'a.jpg' twice", root=root)
    refuses("'a.jpg' twice", root=root, load_annotations=False)
    change(root, "images", 1, file_name="./a.jpg")
    refuses("'./a.jpg' twice in `images`, also as 'a.jpg'", root=root)


@pytest.mark.parametrize("name", ["../a.jpg", "more/../../a.jpg", "/a.jpg"])
def test_file_name_outside_the_folder(coco, name):
    root = coco({"a.jpg": [CAT]}, CLASSES)
    change(root, "images", 0, file_name=name)
    refuses(repr(name), "leads out of the image folder", root=root)


def test_category_twice(coco):
    root = coco({"a.jpg": [CAT]}, CLASSES)
    change(root, "categories", 1, name="cat")
    refuses("two categories 'cat'; keep one of them", root=root)


def test_boxes_of_larger_images_are_refused(coco):
    """Most of at least four; of fewer, or of a smaller part, they are cut as usual."""
    beyond, inside = ("cat", [30, 20, 25, 25]), ("dog", [1, 1, 9, 9])
    root = coco({"a.jpg": [beyond] * 4, "b.jpg": [inside] * 3}, CLASSES)
    refuses("4 of 7 boxes", "a.jpg", "[30, 20, 25, 25]", "two corners", root=root)
    for many, few in (3, 0), (4, 4):
        root = coco({"a.jpg": [beyond] * many, "b.jpg": [inside] * few}, CLASSES)
        assert sum(len(item["instances"]) for item in items(build(root))) == many + few


def test_image_id_twice(coco):
    root = coco({"a.jpg": [CAT], "b.jpg": [DOG]}, CLASSES)
    change(root, "images", 1, id=100)
    refuses("two entries of `images` the id 100", root=root)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"images": [', ["no valid JSON"]),
        ("\udcff", ["no valid JSON"]),
        ("[]", ["no list `images`"]),
        ("{}", ["no list `images`"]),
        ('{"images": {}}', ["no list `images`"]),
        ('{"images": []}', ["contains no image"]),
        ('{"images": [3]}', ["is no object"]),
    ],
)
def test_file_that_is_no_coco_file(coco, text, words):
    root = coco({"a.jpg": [CAT]}, CLASSES)
    (root / "train.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    refuses(*words, root=root)


@pytest.mark.parametrize(
    ("section", "field"),
    [
        ("images", "file_name"),
        ("images", "id"),
        ("images", "width"),
        ("annotations", "image_id"),
        ("annotations", "category_id"),
        ("annotations", "bbox"),
        ("categories", "name"),
    ],
)
def test_missing_field(coco, section, field):
    root = coco({"a.jpg": [CAT]}, CLASSES)
    change(root, section, 0, **{field: None})
    refuses(field, root=root)


def test_missing_file(tmp_path):
    refuses("does not exist", "README", root=tmp_path)


def test_batches_of_a_training_loader(coco):
    root = coco({"a.jpg": [CAT, DOG], "b.jpg": [DOG], "empty.jpg": []}, CLASSES)
    loader = Runner.build_dataloader(
        dict(
            batch_size=2,
            num_workers=0,
            sampler=dict(type="ads_det.FixedLengthSampler", num_samples=2),
            dataset=dict(
                type="ads_det.CocoDataset",
                data_root=str(root),
                ann_file="train.json",
                data_prefix=dict(img="images/"),
                metainfo=dict(classes=CLASSES),
                filter_cfg=dict(filter_empty_gt=True),
                pipeline=[
                    LOAD,
                    dict(type="LoadAnnotations", with_bbox=True),
                    dict(type="Resize", scale=(80, 60), keep_ratio=False),
                    dict(type="PackDetInputs"),
                ],
            ),
        ),
        seed=0,
    )
    (batch,) = list(loader)
    samples = {sample.img_id: sample.gt_instances for sample in batch["data_samples"]}
    assert samples[100].bboxes.tensor.tolist() == [[0, 2, 22, 44], [9, 10.5, 51, 32.5]]
    assert samples[101].labels.tolist() == [1]
