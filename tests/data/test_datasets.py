"""VOC-format folders, folders of images, and what both refuse."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmdet.datasets import VOCDataset as MMDetVOCDataset
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from ads_det.data.image_folder import ImageFolderDataset
from ads_det.data.pool_dataset import PoolDatasetMixin
from ads_det.data.voc import VOCDataset
from ads_det.engine.runner import CycleRunner
from ads_det.errors import ADSError
from ads_det.files import read_ids
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.store import LabelStore

LIST = "ImageSets/Main/trainval.txt"
BCCD = Path(__file__).resolve().parents[2] / "data" / "bccd"
CAT, DOG = ("cat", 1, 2, 11, 22), ("dog", 5, 6, 25, 16)


def build(root: Path, **options) -> VOCDataset:
    """As a run builds it, with classes cat and dog unless told otherwise."""
    # serialising runs the garbage collector each time; test_batches_of_a_training_loader has it
    defaults = dict(ann_file=LIST, metainfo=dict(classes=("cat", "dog")), serialize_data=False)
    options = defaults | options
    return DATASETS.build(dict(type="ads_det.VOCDataset", data_root=str(root), **options))


def ids(dataset: PoolDatasetMixin) -> list[str]:
    return [dataset.get_data_info(i)["img_id"] for i in range(len(dataset))]


def instances(dataset: PoolDatasetMixin) -> list[list[dict]]:
    return [dataset.get_data_info(i)["instances"] for i in range(len(dataset))]


def refuses(*words: str, root: Path, **options) -> None:
    """Building stops with one sentence that has all the words."""
    with pytest.raises(ADSError) as caught:
        build(root, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


# -- names of images --------------------------------------------------------------------------


def test_ids_of_one_flat_folder(voc):
    root = voc({"000007": [CAT], "000005": [DOG]})
    dataset = build(root)
    assert ids(dataset) == ["000007", "000005"]
    assert list(dataset.image_paths().values()) == [
        str(root / "JPEGImages" / f"{name}.jpg") for name in ("000007", "000005")
    ]


def test_ids_of_several_folders_have_a_prefix(voc):
    voc({"000005": [CAT]}, folder="VOC2007")
    root = voc({"000005": [DOG], "2008_1": [CAT]}, folder="VOC2012")
    dataset = build(root, ann_file=[f"VOC2007/{LIST}", f"./VOC2012/{LIST}"])
    assert ids(dataset) == ["VOC2007/000005", "VOC2012/000005", "VOC2012/2008_1"]
    assert [[i["bbox_label"] for i in of_one] for of_one in instances(dataset)] == [[0], [1], [0]]
    assert "VOC2012" in dataset.get_data_info(1)["img_path"]


def test_image_of_two_lists_counts_once(voc):
    root = voc({"a": [CAT], "b": [DOG]})
    (root / "ImageSets/Main/val.txt").write_text("b\n")
    assert ids(build(root, ann_file=[LIST, "ImageSets/Main/val.txt"])) == ["a", "b"]


def test_list_that_lies_elsewhere(voc):
    root = voc({"a": [CAT], "b": [DOG]})
    (root / "mine.txt").write_text("b\n")
    assert ids(build(root, ann_file="mine.txt")) == ["b"]


def test_png_and_jpg_mixed(voc):
    voc({"a": [CAT]}, suffix=".PNG")
    root = voc({"b": [DOG]}, suffix=".jpg")
    dataset = build(root, pipeline=[dict(type="LoadImageFromFile")])
    assert [Path(p).name for p in dataset.image_paths().values()] == ["a.PNG", "b.jpg"]
    assert [data["img"].shape for data in dataset] == [(30, 40, 3)] * 2


def test_ids_with_spaces_and_letters_of_any_script(voc, tmp_path):
    names = ["front door 2", "Straße", "猫 と 犬", "кошка.v2"]
    root = voc({name: [CAT] for name in names})
    (tmp_path / "ids.txt").write_text("\n".join(names[::-1]) + "\n", encoding="utf-8")
    dataset = build(root, ids=str(tmp_path / "ids.txt"), pipeline=[dict(type="LoadImageFromFile")])
    assert ids(dataset) == names[::-1]
    assert all(len(of_one) == 1 for of_one in instances(dataset))
    assert dataset[0]["img"].shape == (30, 40, 3)


@pytest.mark.parametrize("load_annotations", [True, False])
def test_subset_by_list_or_file_keeps_its_order(voc, tmp_path, load_annotations):
    root = voc({name: [CAT] for name in "abcd"})
    file = tmp_path / "ids.txt"
    file.write_bytes(b"\xef\xbb\xbfd\r\n\r\nb\r\n")  # as some editors write it
    for subset in (["d", "b"], str(file), file):
        assert ids(build(root, ids=subset, load_annotations=load_annotations)) == ["d", "b"]


def test_only_the_annotations_asked_for_are_opened(voc):
    root = voc({"a": [CAT], "b": [DOG]})
    (root / "Annotations/b.xml").write_text("not XML")
    assert ids(build(root, ids=["a"])) == ["a"]
    refuses("b.xml", root=root, ids=["b"])


# -- annotations ------------------------------------------------------------------------------


def test_boxes_are_those_of_mmdet(voc):
    objects = [CAT, ("dog", 3.7, 4.2, 30.9, 28, 1), ("cat", 1, 1, 40, 30, 0), ("bird", 1, 1, 9, 9)]
    root = voc({"a": objects, "b": [DOG]}, folder="VOC2007")
    metainfo = dict(classes=("dog", "cat"))
    theirs = MMDetVOCDataset(
        ann_file=f"VOC2007/{LIST}",
        data_root=str(root),
        data_prefix=dict(sub_data_root="VOC2007/"),
        metainfo=metainfo,
        serialize_data=False,
    )
    ours = build(root, ann_file=f"VOC2007/{LIST}", metainfo=metainfo)
    assert instances(ours) == instances(theirs)
    assert instances(ours)[0] == [
        dict(bbox=[0, 1, 10, 21], bbox_label=1, ignore_flag=0),
        dict(bbox=[2, 3, 29, 27], bbox_label=0, ignore_flag=1),
        dict(bbox=[0, 0, 39, 29], bbox_label=1, ignore_flag=0),
    ]
    for i in range(2):
        a, b = ours.get_data_info(i), theirs.get_data_info(i)
        assert (a["img_path"], a["height"], a["width"]) == (b["img_path"], b["height"], b["width"])


def test_prefix_of_mmdet_configs_changes_nothing(voc, monkeypatch):
    root = voc({"a": [CAT]}, folder="VOC2007")
    monkeypatch.chdir(root.parent)  # a relative data_root is where the prefix would do harm
    dataset = build(
        Path(root.name),
        ann_file=f"VOC2007/{LIST}",
        data_prefix=dict(sub_data_root="VOC2007/"),
        pipeline=[dict(type="LoadImageFromFile")],
    )
    assert dataset[0]["img"].shape == (30, 40, 3)


def test_single_class(voc):
    root = voc({"a": [CAT, DOG]})
    dataset = build(root, metainfo=dict(classes=("dog",)))
    assert [i["bbox_label"] for i in instances(dataset)[0]] == [0]
    refuses("metainfo.classes", "('dog',)", root=root, metainfo=dict(classes="dog"))


def test_classes_from_a_file(voc, tmp_path):
    root = voc({"a": [CAT, DOG]})
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    dataset = build(root, metainfo=dict(classes=str(tmp_path / "classes.txt")))
    assert [i["bbox_label"] for i in instances(dataset)[0]] == [1, 0]


@pytest.mark.parametrize("classes", [(), ("cat", "dog", "cat")])
def test_classes_without_meaning(voc, classes):
    root = voc({"a": [CAT]})
    refuses("metainfo.classes", "none twice", root=root, metainfo=dict(classes=classes))


def test_boxes_without_area_are_skipped_and_reported_once(voc, warnings):
    flat, inverted, thin = ("cat", 5, 5, 5, 9), ("dog", 9, 3, 4, 8), ("dog", 3, 7, 9, 7)
    root = voc({"good": [CAT], "bad": [flat, DOG, inverted], "thin": [thin]})
    dataset = build(root)
    len(dataset), dataset.get_data_info(0)
    assert [[i["bbox"] for i in of_one] for of_one in instances(dataset)] == [
        [[0, 1, 10, 21]],
        [[4, 5, 24, 15]],
        [],
    ]
    build(root)
    first, second = warnings()
    folder = root / "Annotations"
    assert first.startswith("Skipped 2 box(es)")
    assert first.endswith(f"in {folder / 'bad.xml'}: (5, 5, 5, 9); (9, 3, 4, 8)")
    assert second.startswith("Skipped 1 box(es)")
    assert second.endswith(f"in {folder / 'thin.xml'}: (3, 7, 9, 7)")


def test_long_reports_are_cut(voc, warnings):
    build(voc({"a": [CAT] + [("cat", 5, 5, 5, 9)] * 25}))
    (message,) = [m for m in warnings() if "Skipped" in m]
    assert (
        "Skipped 25" in message
        and "(and 5 more)" in message
        and message.count("(5, 5, 5, 9)") == 20
    )


def test_nothing_to_report(voc, warnings):
    build(voc({"a": [CAT, DOG]}))
    assert warnings() == []


def test_objects_of_other_classes_are_reported(voc, warnings):
    dataset = build(voc({"a": [CAT, ("bird", 1, 1, 9, 9)], "b": [("bird", 1, 1, 9, 9)]}))
    assert [len(of_one) for of_one in instances(dataset)] == [1, 0]
    (message,) = warnings()
    assert "'bird' (2)" in message and "'cat'" not in message


def test_none_of_the_classes_occurs(voc):
    root = voc({"a": [("Katze", 1, 2, 11, 22)], "b": [("Hund", 1, 2, 11, 22)]})
    refuses("('cat', 'dog')", "'Katze' (1)", "'Hund' (1)", "metainfo.classes", root=root)
    refuses("'Hund' (1)", root=root, ids=["b"], filter_cfg=dict(filter_empty_gt=True))
    # asked for the objects of a single image, as the oracle does, none is an answer
    assert instances(build(root, ids=["b"])) == [[]]


# -- images without labels --------------------------------------------------------------------


def test_no_annotation_is_needed(voc):
    root = voc({"a": [CAT], "b": [], "c": [DOG]})
    shutil.rmtree(root / "Annotations")
    for filter_cfg in (None, dict(filter_empty_gt=True, min_size=32, bbox_min_size=32)):
        dataset = build(
            root,
            ids=["c", "b"],
            load_annotations=False,
            filter_cfg=filter_cfg,
            metainfo=dict(classes=("no such class",)),
            pipeline=[
                dict(type="LoadImageFromFile"),
                dict(type="Resize", scale=(64, 64), keep_ratio=False),
                dict(type="PackDetInputs", meta_keys=("img_id", "ori_shape", "img_shape")),
            ],
        )
        assert len(dataset) == 2
        sample = dataset[0]["data_samples"]
        assert (sample.img_id, sample.ori_shape, sample.img_shape) == ("c", (30, 40), (64, 64))
        assert dataset[0]["inputs"].shape == (3, 64, 64)
        assert len(sample.gt_instances) == 0
    refuses("a.xml", "missing", root=root)


# -- the filter -------------------------------------------------------------------------------


def test_filter_keeps_what_mmdet_keeps(voc):
    root = voc({"cat": [CAT], "none": [], "other": [("bird", 1, 1, 9, 9)], "hard": [(*DOG, 1)]})
    drop = dict(filter_empty_gt=True)
    assert ids(build(root)) == ["cat", "none", "other", "hard"]
    assert ids(build(root, filter_cfg=drop)) == ["cat", "hard"]
    assert len(build(root, filter_cfg=drop, test_mode=True)) == 4
    assert len(build(root, filter_cfg=dict(min_size=30))) == 4


def test_filter_that_leaves_nothing(voc):
    root = voc({"a": [CAT], "b": [], "c": []})
    words = ("None of the 2 images", "filter_empty_gt", "metainfo.classes", str(root))
    refuses(*words, root=root, ids=["b", "c"], filter_cfg=dict(filter_empty_gt=True))
    refuses("None of the 3 images", "min_size", root=root, filter_cfg=dict(min_size=31))


# -- mistakes ---------------------------------------------------------------------------------


def test_missing_data_folder(tmp_path):
    refuses(str(tmp_path / "nowhere"), "data_root", "does not exist", root=tmp_path / "nowhere")


def test_missing_image_folder(voc):
    root = voc({"a": [CAT]})
    shutil.rmtree(root / "JPEGImages")
    refuses(str(root / "JPEGImages"), "does not exist", "README", root=root)


@pytest.mark.parametrize("load_annotations", [True, False])
def test_missing_image(voc, load_annotations):
    root = voc({"a": [CAT], "b": [DOG]})
    (root / "JPEGImages/b.jpg").unlink()
    words = (str(root / LIST), "'b'", str(root / "JPEGImages"), "add it or delete")
    refuses(*words, root=root, load_annotations=load_annotations)


def test_two_images_of_one_id(voc, image):
    root = voc({"a": [CAT], "b": [DOG]})
    image(root / "JPEGImages/unlisted.png")
    image(root / "JPEGImages/unlisted.jpg")
    assert len(build(root)) == 2
    image(root / "JPEGImages/b.png")
    refuses("b.jpg", "b.png", "share the id 'b'", "rename", root=root)


def test_missing_annotation(voc):
    root = voc({"a": [CAT]})
    (root / "Annotations/a.xml").unlink()
    refuses(str(root / "Annotations/a.xml"), "missing", "add it", root=root)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("<annotation><object>", "no valid XML"),
        ("", "no valid XML"),
        ("<annotation><object><bndbox/></object></annotation>", "`bndbox` lacks `xmin`"),
        ("<annotation><size/></annotation>", "width"),
    ],
)
def test_broken_annotation(voc, text, word):
    root = voc({"a": [CAT], "b": [DOG]})
    (root / "Annotations/b.xml").write_text(text)
    refuses(str(root / "Annotations/b.xml"), word, root=root)


@pytest.mark.parametrize("number", ["ten", "", "nan", "inf"])
def test_box_that_is_no_number(voc, number):
    root = voc({"a": [CAT], "b": [("dog", 1, 1, number, 9)]})
    refuses(str(root / "Annotations/b.xml"), root=root)


def test_annotation_that_is_a_folder(voc):
    root = voc({"a": [CAT]})
    (root / "Annotations/a.xml").unlink()
    (root / "Annotations/a.xml").mkdir()
    refuses(str(root / "Annotations/a.xml"), "cannot be read", root=root)


def test_missing_lists(voc, tmp_path):
    root = voc({"a": [CAT]})
    words = ("cannot be read", "No such file", "one id a line")
    refuses(*words, "test.txt", root=root, ann_file="ImageSets/Main/test.txt")
    refuses(*words, "ids.txt", root=root, ids=str(tmp_path / "ids.txt"))


def test_list_that_is_no_text(tmp_path):
    (tmp_path / "ids.txt").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(ADSError, match="ids.txt is not UTF-8 text"):
        read_ids(tmp_path / "ids.txt")


def test_id_twice(voc, tmp_path):
    root = voc({"a": [CAT], "b": [DOG]})
    (tmp_path / "ids.txt").write_text("a\nb\nb\na\n")
    refuses("ids.txt", "'a' twice", "keep one", root=root, ids=str(tmp_path / "ids.txt"))
    refuses("`ids`", "'b' twice", root=root, ids=["a", "b", "b"])
    (root / LIST).write_text("a\nb\nb\n")
    refuses(str(root / LIST), "'b' twice", root=root)


def test_unknown_id(voc, tmp_path):
    root = voc({"a": [CAT], "b": [DOG]})
    (tmp_path / "ids.txt").write_text("a\nc\nd\n")
    words = (str(root), LIST, "does not contain", "such as 'a'")
    refuses("ids.txt", "'c' (and 1 more)", *words, root=root, ids=str(tmp_path / "ids.txt"))
    refuses("names 'c',", *words, root=root, ids=["a", "c"])


def test_empty_lists(voc):
    root = voc({"a": [CAT]})
    refuses("`ids`", "names no image", root=root, ids=[])
    (root / LIST).write_text("\n")
    refuses(str(root), LIST, "contains no image", root=root)


# -- a folder of images -----------------------------------------------------------------------


def test_folder_of_images(image, tmp_path):
    for name in ("b.JPG", "a b.png", "猫/x.jpeg", "a/deep/er/z.PnG", "a-1.bmp", "Z.webp"):
        image(tmp_path / "pool" / name)
    for name in (".trash/x.jpg", "a/._x.jpg"):
        image(tmp_path / "pool" / name)
    (tmp_path / "pool/notes.txt").write_text("no image")
    (tmp_path / "pool/folder.jpg").mkdir()
    dataset = DATASETS.build(
        dict(
            type="ads_det.ImageFolderDataset",
            data_root=str(tmp_path / "pool"),
            pipeline=[dict(type="LoadImageFromFile"), dict(type="PackDetInputs")],
        )
    )
    names = ["Z.webp", "a b.png", "a-1.bmp", "a/deep/er/z.PnG", "b.JPG", "猫/x.jpeg"]
    assert ids(dataset) == names == sorted(names)
    assert all(data["inputs"].shape == (3, 30, 40) for data in dataset)
    assert "instances" not in dataset.get_data_info(0)
    subset = ImageFolderDataset(data_root=str(tmp_path / "pool"), ids=["猫/x.jpeg", "b.JPG"])
    assert ids(subset) == ["猫/x.jpeg", "b.JPG"]


def labelled_folder(image, tmp_path, **options):
    """Three images, two of them labelled: a cat and a bird in the first, nothing in the second."""
    for name in "abc":
        image(tmp_path / f"pool/{name}.jpg")
    boxes = (Box("cat", 1, 2, 11, 22), Box("bird", 5, 6, 9, 9))
    labels = [ImageLabels("a.jpg", 40, 30, boxes), ImageLabels("b.jpg", 40, 30)]
    LabelStore(tmp_path / "labels").add(labels, ["cat", "dog", "bird"], "initial")
    options |= dict(data_root=str(tmp_path / "pool"), labels=str(tmp_path / "labels"))
    return ImageFolderDataset(metainfo=dict(classes=("cat", "dog")), ann_file="", **options)


def test_labels_of_a_folder_of_images(image, tmp_path, warnings):
    dataset = labelled_folder(image, tmp_path, ids=["b.jpg", "a.jpg"])
    assert ids(dataset) == ["b.jpg", "a.jpg"]
    (none, (cat,)) = instances(dataset)
    assert none == [] and (cat["bbox"], cat["bbox_label"]) == ([1, 2, 11, 22], 0)
    assert any("bird" in line for line in warnings())
    assert dataset.absent_classes() == ["dog"]
    unlabelled = ImageFolderDataset(
        data_root=str(tmp_path / "pool"), metainfo=dict(classes=("cat", "dog")), ann_file=""
    )
    assert unlabelled.absent_classes() == ["cat", "dog"]


def test_an_image_of_a_folder_without_its_label_is_named(image, tmp_path):
    with pytest.raises(ADSError, match="'c.jpg' has no label in .*labels; import its label"):
        labelled_folder(image, tmp_path, ids=["a.jpg", "c.jpg"])


def test_images_that_do_not_belong_to_the_pool(image, tmp_path):
    (tmp_path / "test.txt").write_text("b.jpg\n")
    options = dict(exclude=str(tmp_path / "test.txt"), load_annotations=False)
    assert ids(labelled_folder(image, tmp_path, **options)) == ["a.jpg", "c.jpg"]
    (tmp_path / "pool/b.jpg").unlink()
    options |= dict(data_root=str(tmp_path / "pool"), ann_file="")
    with pytest.raises(ADSError, match="test.txt names 'b.jpg', which .* does not contain; rest"):
        ImageFolderDataset(**options)


def test_folder_without_images(tmp_path):
    with pytest.raises(ADSError, match="nowhere does not exist; name one that does"):
        ImageFolderDataset(data_root=str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ADSError, match="empty contains no image; check the folder"):
        ImageFolderDataset(data_root=str(tmp_path / "empty"))


# -- in a loader ------------------------------------------------------------------------------


def test_batches_of_a_training_loader(voc):
    root = voc({"a": [CAT, (*DOG, 1)], "b": [DOG], "empty": [], "c": [CAT, DOG]})
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="LoadAnnotations", with_bbox=True),
        dict(type="Resize", scale=(80, 60), keep_ratio=False),
        dict(type="RandomFlip", prob=0.0),
        dict(type="PackDetInputs"),
    ]
    loader = Runner.build_dataloader(
        dict(
            batch_size=2,
            num_workers=0,
            sampler=dict(type="ads_det.FixedLengthSampler", num_samples=6),
            dataset=dict(
                type="ads_det.VOCDataset",
                data_root=str(root),
                ann_file=LIST,
                metainfo=dict(classes=("cat", "dog")),
                filter_cfg=dict(filter_empty_gt=True),
                pipeline=pipeline,
            ),
        ),
        seed=0,
    )
    batches = list(loader)
    assert [len(batch["inputs"]) for batch in batches] == [2, 2, 2]
    assert all(image.shape == (3, 60, 80) for batch in batches for image in batch["inputs"])
    samples = [sample for batch in batches for sample in batch["data_samples"]]
    assert sorted(sample.img_id for sample in samples) == ["a", "a", "b", "b", "c", "c"]
    sample = next(sample for sample in samples if sample.img_id == "a")
    # twice the size: the 0-based boxes doubled
    assert sample.gt_instances.bboxes.tensor.tolist() == [[0, 2, 20, 42]]
    assert sample.gt_instances.labels.tolist() == [0]
    assert sample.ignored_instances.bboxes.tensor.tolist() == [[8, 10, 48, 30]]


@pytest.mark.skipif(not (BCCD / LIST).exists(), reason="data/bccd is not there")
def test_blood_cells():
    dataset = build(BCCD, metainfo=dict(classes=("Platelets", "RBC", "WBC")))
    labels = [i["bbox_label"] for of_one in instances(dataset) for i in of_one]
    assert len(dataset) == 292
    assert len(labels) == 3941
    assert np.unique(labels).tolist() == [0, 1, 2]


PIPELINE = [dict(type="LoadImageFromFile"), dict(type="PackDetInputs")]


@pytest.mark.parametrize("spoil", [Path.unlink, lambda p: p.write_bytes(b""), "pipe"])
def test_a_labelled_image_that_broke_is_named_and_the_pool_goes_on_with_the_next(voc, spoil):
    root = voc({"a": [CAT], "b": [DOG], "c": [CAT]})
    labelled = build(root, pipeline=PIPELINE)
    pool = build(root, pipeline=PIPELINE, load_annotations=False)

    def break_image(name):
        path = root / f"JPEGImages/{name}.jpg"
        if spoil == "pipe":
            path.unlink()
            os.mkfifo(path)
        else:
            spoil(path)

    break_image("a")
    with pytest.raises(
        ADSError, match=r"a.jpg cannot be read; restore it and run again with --res"
    ):
        labelled[0]
    break_image("b")
    sample = pool[0]["data_samples"]
    assert sample.img_id == "a" and sample.unreadable and labelled[2]["inputs"].shape == (3, 30, 40)
    break_image("c")
    with pytest.raises(ADSError, match="No image of .* can be read; check the folder"):
        pool[0]


def test_a_pipeline_that_fails_on_a_good_image_shows_its_own_error(voc):
    root = voc({"a": [CAT], "b": [DOG]})
    crop = dict(type="RandomCrop", crop_size=(9, 9))  # needs an image, which nothing loads
    with pytest.raises(KeyError, match="img"):
        build(root, pipeline=[crop])[0]

    def refuse(results):
        raise ADSError("the sentence of a transform")

    with pytest.raises(ADSError, match="^the sentence of a transform$"):
        build(root, pipeline=[refuse])[0]


def test_what_a_pipeline_changes_in_an_item_stays_in_its_copy(voc):
    dataset = build(voc({"1": [CAT], "2": [DOG]}))
    item = dataset.get_data_info(-1)
    assert item["sample_idx"] == 1
    item["instances"][0]["bbox"][0] = -5
    item["instances"].clear()
    assert dataset.get_data_info(1)["instances"][0]["bbox"][0] != -5


def test_a_loader_has_the_very_data_set_that_it_is_given(voc):
    dataset = build(voc({"1": [CAT], "2": [DOG]}))
    sampler = dict(type="DefaultSampler", shuffle=False)
    cfg = dict(dataset=dataset, batch_size=1, num_workers=0, sampler=sampler)
    loader = CycleRunner.build_dataloader(cfg)
    assert loader.dataset is dataset
    assert cfg == dict(dataset=dataset, batch_size=1, num_workers=0, sampler=sampler)
