"""Mistakes around configs of mmdet and checkpoints: exit status 2 and one sentence each, before
anything is trained."""

import pickle
import re

import pytest
import torch
from complete_models import make_coco
from family_models import build
from foreign_models import KINDS, foreign_model_config
from PIL import Image


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Data in COCO's format, and checkpoints that are right and wrong."""
    folder = make_coco(tmp_path_factory.mktemp("coco"))
    for kind in ("retinanet", "faster_rcnn"):
        state = build(KINDS[kind]()).state_dict()
        torch.save(dict(state_dict=state), folder / f"{kind}.pth")
    state = torch.load(folder / "retinanet.pth")["state_dict"]
    state["backbone.conv1.weight"][0] = float("nan")
    torch.save(dict(state_dict=state), folder / "nan.pth")
    whole = (folder / "retinanet.pth").read_bytes()
    (folder / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.pth").write_bytes(b"")
    (folder / "keras.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    (folder / "yolo.pt").write_bytes(pickle.dumps(Image.Image))  # a class of its own package
    torch.save(dict(epoch=3, optimizer={}), folder / "bare.pth")
    backbone = {k: v for k, v in state.items() if k.startswith("backbone.")}
    backbone = {k.removeprefix("backbone."): v for k, v in backbone.items()}
    torch.save(backbone, folder / "classifier.pth")
    return folder


def load_from(name):
    return dict(load_from=name)


STEP = "test_dataloader__dataset__pipeline"
CASES = {
    "classes that the file does not have": (
        dict(train_dataloader__dataset__metainfo=dict(classes=("x", "b", "c"))),
        "'x' in the former|no category 'x'",
    ),
    "number of classes": (dict(model__bbox_head__num_classes=80), "num_classes=80 .* names 3"),
    "type of the detector": (dict(model__type="RetinaNett"), "model.*'?RetinaNett"),
    "no evaluator": (dict(test_evaluator=None), "has no `test_evaluator`; use a whole config"),
    "evaluator of masks": (dict(test_evaluator__metric="segm"), "measures nothing of boxes"),
    "evaluator that only writes": (
        dict(test_evaluator__format_only=True), "measures nothing of boxes"
    ),
    "evaluator misspelt": (dict(test_evaluator__type="CoccoMetric"), "measures nothing of boxes"),
    "evaluator without file": (dict(test_evaluator__ann_file=None), "ann_file is missing; name"),
    "evaluator of other data": (
        dict(test_evaluator__ann_file="data/coco/val.json"), "but the test images are those of"
    ),
    "no optimiser": (dict(optim_wrapper=None), "has no `optim_wrapper`"),
    "no test data": (dict(test_dataloader=None), "has no `test_dataloader`"),
    "no Resize": (dict(drop=1), "test_dataloader.dataset.pipeline has no Resize"),
    "no pipeline": (
        dict(train_dataloader__dataset__pipeline=None), "train_dataloader.dataset.pipeline is miss"
    ),
    "masks for a head of masks": (
        dict(model__mask_head=dict(type="FCNMaskHead")), "model.mask_head learns masks"
    ),
    "iterations": (dict(train_cfg__type="IterBasedTrainLoop"), "config.json counts iterations"),
    "several data sets": (
        dict(train_dataloader__dataset__datasets=[dict(type="CocoDataset"), dict(type="LVIS")]),
        "train_dataloader.dataset is no single data set",
    ),
    "other data set": (
        dict(train_dataloader__dataset__type="LVISV1Dataset"), "'LVISV1Dataset', whose images"
    ),
    "ADS": (dict(method="ads_det.ADS"), "two classifiers, which RetinaNet cannot have; SSD, "),
    "pool too small": (dict(active_learning=None), "need 500 images .* the pool has 5"),
    "architecture": (load_from("faster_rcnn.pth"), "is of another architecture than `model`"),
    "width": (
        load_from("retinanet.pth")
        | dict(model__neck__out_channels=8, model__bbox_head__in_channels=8),
        "of another architecture .*the first is neck",
    ),
    "classifier's weights": (load_from("classifier.pth"), "another architecture.*prefix='backbone"),
    "no checkpoint": (load_from("gone.pth"), "load_from.*gone.pth.*could not be loaded"),
    "a folder": (load_from("train"), "load_from.*train.*loaded .it is a folder"),
    "empty checkpoint": (load_from("empty.pth"), "load_from.*empty.pth.*it is empty"),
    "cut checkpoint": (load_from("cut.pth"), "load_from.*cut.pth.*it is cut short or damaged"),
    "checkpoint of Keras": (load_from("keras.h5"), "load_from.*keras.h5.*torch did not write it"),
    "pickled model": (load_from("yolo.pt"), "load_from.*yolo.pt.*more than weights"),
    "no weights": (load_from("bare.pth"), "bare.pth holds no weights"),
    "NaN": (load_from("nan.pth"), "nan.pth holds NaN or infinity in backbone.conv1.weight"),
    "no name": (dict(load_from=3), "`load_from` is 3; it must be a text"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_sentence(case, run, root, tmp_path):
    changes, sentence = CASES[case]
    cfg = foreign_model_config("retinanet", root)
    test = cfg.test_dataloader.dataset.datasets[0]
    test.update(data_root=str(root), data_prefix=dict(img="test/"))
    test.pipeline[-1].meta_keys = ("img_id", *test.pipeline[-1].meta_keys)
    cfg.test_dataloader.dataset = test
    del cfg.test_dataloader["drop_last"]
    cfg.test_evaluator.ann_file = str(root / "test.json")
    cfg.active_learning = dict(initial=1, budget=1, cycles=1)
    changes = {k.replace("__", "."): v for k, v in changes.items()}
    if changes.pop("drop", None):
        del test.pipeline[1]
    if isinstance(changes.get("load_from"), str):
        changes["load_from"] = str(root / changes["load_from"])
    cfg.merge_from_dict(changes)
    cfg.dump(tmp_path / "config.json")  # which is not formatted, and so fast
    status, _, err = run("al_loop.py", "config.json", "--work-dir", "run")
    assert status == 2 and err.startswith("error: ") and err.count("\n") == 1, err
    assert re.search(sentence, err), err
    assert not (tmp_path / "run/pool.json").exists()
