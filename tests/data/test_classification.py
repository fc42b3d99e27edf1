"""Classification data: formats, ids, labels only where asked for, whole batches."""

import hashlib
import pickle

import numpy as np
import pytest
import torch
import torchvision.datasets as tv
from helpers import tiny_classification_config
from mmengine.runner import Runner
from PIL import Image
from sklearn.datasets import load_digits

from ads_det.data.class_folders import ClassFolderDataset
from ads_det.data.classification import (
    CIFARDataset,
    DigitsDataset,
    download_cifar,
)
from ads_det.engine.datasets import training_dataset
from ads_det.errors import ADSError


def dump(folder, name, content):
    """Write a pickle; the entry of torchvision's file lists for it."""
    data = pickle.dumps(content)
    (folder / name).write_bytes(data)
    return [name, hashlib.md5(data).hexdigest()]


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """Both data sets in their own format with a few images; torchvision checks these files."""
    rng = np.random.default_rng(0)
    for data, folder, key, classes in (
        (tv.CIFAR10, "cifar-10-batches-py", "labels", 10),
        (tv.CIFAR100, "cifar-100-python", "fine_labels", 100),
    ):
        (tmp_path / folder).mkdir()
        lists = {}
        for name, size in (("train_list", 7), ("test_list", 3)):
            pixels = rng.integers(0, 256, (size, 3072), dtype=np.uint8)
            content = {"data": pixels, key: list(range(size))}
            lists[name] = [dump(tmp_path / folder, name, content)]
            monkeypatch.setattr(data, name, lists[name])
        names = {data.meta["key"]: [f"class {c}" for c in range(classes)]}
        name, md5 = dump(tmp_path / folder, "meta", names)
        monkeypatch.setattr(data, "meta", dict(data.meta, filename=name, md5=md5))
    return str(tmp_path)


@pytest.fixture
def folder(tmp_path):
    """Two classes with three images of other sizes than asked for."""
    for name, colour, size in (
        ("b/1.png", (255, 0, 0), (16, 16)),
        ("a/x y.jpg", (0, 255, 0), (40, 20)),
        ("b/0.png", (0, 0, 255), (8, 8)),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", size, colour).save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("classes", [10, 100])
def test_cifar_in_its_own_format(cifar, classes):
    train, test = (CIFARDataset(cifar, classes, train=flag) for flag in (True, False))
    assert (len(train), len(test)) == (7, 3)
    assert train.image_ids()[:2] == ["train/00000", "train/00001"]
    assert test.image_ids()[-1] == "test/00002"
    assert len(train.metainfo["classes"]) == classes
    theirs = (tv.CIFAR10 if classes == 10 else tv.CIFAR100)(cifar)
    batch = train.__getitems__([4, 2])
    assert batch["inputs"].shape == (2, 3, 32, 32) and batch["inputs"].dtype == torch.uint8
    for image, index in zip(batch["inputs"], (4, 2), strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(theirs[index][0]))
        assert train.open_image(f"train/{index:05d}").tobytes() == theirs[index][0].tobytes()
    assert batch["data_samples"].labels.tolist() == [4, 2]
    assert batch["data_samples"].img_id == ["train/00004", "train/00002"]


def test_download_leaves_what_is_there(cifar):
    download_cifar(cifar, 10)
    download_cifar(cifar, 100)


def test_download_that_fails_is_one_sentence(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(tv.CIFAR10, "download", refuse)
    with pytest.raises(ADSError, match="could not be downloaded to .*no network"):
        download_cifar(str(tmp_path))


def test_class_folders(folder):
    dataset = ClassFolderDataset(str(folder), size=8)
    assert dataset.image_ids() == ["a/x y.jpg", "b/0.png", "b/1.png"]
    assert dataset.metainfo == dict(classes=("a", "b"))
    batch = dataset.__getitems__([0, 1, 2])
    assert batch["data_samples"].labels.tolist() == [0, 1, 1]
    assert batch["inputs"].shape == (3, 3, 8, 8)
    assert batch["inputs"][1:, :, 4, 4].tolist() == [[0, 0, 255], [255, 0, 0]]
    assert dataset.open_image("b/1.png").getpixel((0, 0)) == (255, 0, 0)
    assert dataset[1]["data_samples"].labels.tolist() == [1]
    assert torch.equal(dataset[1]["inputs"], batch["inputs"][1:2])


def test_class_folders_pass_over_what_systems_and_links_add(folder):
    image = folder / "b/1.png"
    (folder / "a/up").symlink_to("..")
    (folder / "b/again").symlink_to(".")
    for litter in "@eaDir/x/0.png", ".ipynb_checkpoints/0.png", "__MACOSX/0.png", "a/@eaDir/0.png":
        (folder / litter).parent.mkdir(parents=True)
        (folder / litter).write_bytes(image.read_bytes())
    (folder / "a/._1.png").write_bytes(b"")
    (folder / "loose.png").write_bytes(image.read_bytes())
    dataset = ClassFolderDataset(str(folder), size=8)
    assert dataset.image_ids() == ["a/x y.jpg", "b/0.png", "b/1.png"]
    assert dataset.metainfo == dict(classes=("a", "b")) == dict(classes=dataset.known_classes())
    (folder / "c").symlink_to("b")
    with pytest.raises(ADSError, match="'c' in .* holds no images of its own"):
        ClassFolderDataset(str(folder), size=9)


def test_digits_are_those_of_scikit_learn():
    train, test = DigitsDataset(), DigitsDataset(train=False)
    assert (len(train), len(test)) == (1297, 500)
    theirs = load_digits()
    batch = test.__getitems__([0])
    assert batch["data_samples"].labels.tolist() == [theirs.target[1297]]
    expected = (theirs.images[1297] * 255 / 16).round()
    assert all(np.array_equal(channel.numpy(), expected) for channel in batch["inputs"][0])


def test_ids_choose_and_order():
    dataset = DigitsDataset(ids=["train/00005", "train/00001"])
    whole = DigitsDataset()
    assert len(dataset) == 2
    assert [dataset.get_data_info(i)["img_id"] for i in (0, 1)] == ["train/00005", "train/00001"]
    assert torch.equal(dataset.__getitems__([0, 1])["inputs"], whole.__getitems__([5, 1])["inputs"])
    assert dataset.count_objects() == {"train/00005": 1, "train/00001": 1}
    assert dataset.image_ids() == whole.image_ids()  # all there are, whatever is asked for


def test_without_annotations_no_label_is_kept():
    dataset = DigitsDataset(load_annotations=False)
    assert not hasattr(dataset, "_labels")
    assert "labels" not in dataset.__getitems__([0, 1])["data_samples"]
    assert "gt_label" not in dataset.get_data_info(0)


def test_statistics_are_those_of_all_images():
    dataset = DigitsDataset(ids=["train/00003"])
    pixels = load_digits().images[:1297] * (255 / 16)
    mean, std = dataset.channel_statistics()
    assert mean == pytest.approx([pixels.round().mean()] * 3)
    assert std == pytest.approx([pixels.round().std()] * 3)


def test_loaders_get_whole_batches(monkeypatch):
    """One call a batch, in this process and in workers."""
    calls = []
    original = DigitsDataset.__getitems__
    monkeypatch.setattr(
        DigitsDataset,
        "__getitems__",
        lambda self, indices: calls.append(len(indices)) or original(self, indices),
    )
    cfg = tiny_classification_config()
    cfg.train_dataloader.update(batch_size=500, dataset=training_dataset(cfg, None))
    sizes = [len(b["inputs"]) for b in Runner.build_dataloader(cfg.train_dataloader, seed=0)]
    assert sizes == calls == [500, 500, 297]
    cfg.train_dataloader.num_workers = 1
    batches = list(Runner.build_dataloader(cfg.train_dataloader, seed=0))
    assert [len(b["data_samples"].labels) for b in batches] == [500, 500, 297]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda root: CIFARDataset(root), "CIFAR-10 is not in .*data/README.md"),
        (lambda root: CIFARDataset(root, 11), "num_classes is 11"),
        (lambda root: ClassFolderDataset(root), "one folder of images a class"),
        (lambda root: ClassFolderDataset(f"{root}/nowhere"), "nowhere is missing"),
        (lambda root: DigitsDataset(ids=["x"]), "'x', which the data set DigitsDataset does not"),
        (lambda root: DigitsDataset(ids=["train/00001"] * 2), "'train/00001' twice"),
        (lambda root: DigitsDataset(ids=[]), "names no image"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, build, message):
    with pytest.raises(ADSError, match=message):
        build(str(tmp_path))


def test_a_broken_image_is_named(folder):
    (folder / "b/0.png").write_bytes(b"no image")
    with pytest.raises(ADSError, match=r"b/0.png cannot be read"):
        ClassFolderDataset(str(folder))


def test_a_name_of_two_lines_is_refused(folder):
    (folder / "b").rename(folder / "b\nc")
    with pytest.raises(ADSError, match=r"'b\\nc/0.png' .* cannot be printed"):
        ClassFolderDataset(str(folder))


def test_nothing_is_read_before_it_is_needed(tmp_path):
    dataset = ClassFolderDataset(str(tmp_path / "nowhere"), lazy_init=True)
    assert dataset.metainfo == {}
    with pytest.raises(ADSError):
        len(dataset)


def test_folders_of_splits_are_no_classes(tmp_path):
    for name in ("train/cat", "train/dog", "val/cat", "val/dog"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name / "1.png")
    with pytest.raises(ADSError, match=r"are splits \(train, val\), each with folders of its own"):
        ClassFolderDataset(str(tmp_path)).full_init()
    assert ClassFolderDataset(str(tmp_path / "train")).metainfo["classes"] == ("cat", "dog")
