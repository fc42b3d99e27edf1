"""Ranking and proposals with ordinary mmdet configs and checkpoints that mmengine wrote."""

import csv
import functools
import math

import mmcv
import numpy as np
import pytest
import torch
from foreign_models import MEAN, STD, draw, reference_model, reference_predictions, train_foreign
from helpers import CLASSES, SIZE, build_detector
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image, ImageOps

from ads_det.active.proposals import propose_boxes
from ads_det.engine.datasets import candidate_loader
from ads_det.engine.foreign_config import class_names, foreign_config, load_detector
from ads_det.models.foreign import MAX_BOXES


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Five images of three sizes in a folder and one below; one is stored lying on its side."""
    folder = tmp_path_factory.mktemp("photos")
    sizes = [(64, 64), (96, 64), (64, 80), (96, 64)]
    for i, size in enumerate(sizes):
        draw(folder / f"day {i % 2}" / f"p{i}.png", *size, seed=i)
    draw(folder / "turned.jpg", 90, 60, seed=9, orientation=6)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """From a kind of model to its config file and the checkpoint of two steps of training."""
    return functools.cache(lambda kind: train_foreign(kind, tmp_path_factory.mktemp(kind)))


@torch.no_grad()
def reference_scores(model, paths, topk):
    """Eq. 3 from the head's outputs, the images prepared by hand."""
    scores = []
    for path in paths:
        pixels = mmcv.imresize(mmcv.imread(str(path)), (SIZE, SIZE))[..., ::-1]
        x = torch.from_numpy((pixels.astype(np.float32) - MEAN[0]) / STD[0]).permute(2, 0, 1)
        levels = model.bbox_head(model.neck(model.backbone(x[None])))[0]
        entropies = []
        for level in levels:
            is_ssd = model.cfg.model.type == "SingleStageDetector"
            y = level[0].view(-1, len(CLASSES) + is_ssd, *level.shape[2:])
            y = y.softmax(1) if is_ssd else y.sigmoid()
            entropies.append(-(y * y.log()).sum(1).flatten())
        scores.append(torch.cat(entropies).sort(descending=True).values[:topk].mean().item())
    return scores


def read_scores(folder):
    with open(folder / "scores.csv", newline="") as file:
        return {row["id"]: float(row["score"]) for row in csv.DictReader(file)}


@pytest.mark.parametrize("kind", ["ssd", "retinanet"])
def test_a_single_stage_detector_ranks_a_folder(run, trained, photos, tmp_path, kind):
    config, checkpoint = trained(kind)
    status, out, err = run(
        *("select_images.py", config, checkpoint, "--images", photos, "--number", 2),
        *("--strategy", "entropy", "--strategy-options", "topk=30", "--out", tmp_path / "out"),
    )
    assert status == 0, err
    assert "5 scores" in out
    scores = read_scores(tmp_path / "out")
    assert len(scores) == 5 and "day 1/p1.png" in scores
    paths = [photos / name for name in scores]
    expected = reference_scores(reference_model(config, checkpoint), paths, 30)
    assert list(scores.values()) == pytest.approx(expected, rel=1e-4)
    assert (tmp_path / "out/picks.txt").read_text().splitlines() == list(scores)[:2]
    with Image.open(tmp_path / "out/picks.png") as picture:
        assert picture.format == "PNG"


def test_two_stages_are_scored_by_their_boxes(run, trained, photos, tmp_path):
    config, checkpoint = trained("faster_rcnn")
    arguments = ("select_images.py", config, checkpoint, "--images", photos, "--number", 1)
    status, _, err = run(*arguments, "--out", tmp_path / "out")
    assert status == 0, err
    scores = read_scores(tmp_path / "out")
    model = reference_model(config, checkpoint)
    expected = []
    for found in reference_predictions(model, [photos / name for name in scores]):
        boxes = found.pred_instances.scores.tolist()
        assert 0 < len(boxes) <= 20
        expected.append(sum(-s * math.log(s) for s in boxes) / MAX_BOXES)
    assert list(scores.values()) == pytest.approx(expected, rel=1e-3)
    # a strategy of features, and images of one batch that do not change each other's score
    status, _, err = run(*arguments, "--strategy", "CoreSet", "--out", tmp_path / "cover")
    assert status == 0, err
    more = ("--cfg-options", "test_dataloader.batch_size=5", "--out", tmp_path / "whole")
    assert run(*arguments, *more)[0] == 0
    assert read_scores(tmp_path / "whole") == pytest.approx(scores, rel=1e-4)


@pytest.mark.parametrize("kind", ["ssd", "faster_rcnn"])
def test_proposals_are_the_models_predictions(trained, photos, tmp_path, kind):
    config, checkpoint = trained(kind)
    init_default_scope("mmdet")
    folder = tmp_path / "photos"
    folder.symlink_to(photos)
    cfg = foreign_config(Config.fromfile(config), folder)
    loader = candidate_loader(cfg, None)
    ids = ["turned.jpg", "day 0/p2.png", "day 1/p3.png"]
    reference = reference_model(config, checkpoint)
    predicted = reference_predictions(reference, [photos / name for name in ids])
    scores = sorted(predicted[0].pred_instances.scores.tolist(), reverse=True)
    threshold = (scores[4] + scores[5]) / 2  # on a score rounding would decide
    model = load_detector(cfg, checkpoint)
    assert class_names(cfg, checkpoint) == list(CLASSES)
    model.train()
    found = propose_boxes(model, loader, ids, CLASSES, threshold)
    assert model.training
    assert [image.image for image in found] == ids and not any(i.checked for i in found)
    assert (found[0].width, found[0].height) == (60, 90)  # stored as 90 x 60
    for image, path, sample in zip(found, (photos / i for i in ids), predicted, strict=True):
        with Image.open(path) as picture:
            assert ImageOps.exif_transpose(picture).size == (image.width, image.height)
        kept = sample.pred_instances[sample.pred_instances.scores >= threshold]
        assert len(image.boxes) == len(kept)
        for box, corners, score, label in zip(
            image.boxes, kept.bboxes.tolist(), kept.scores.tolist(), kept.labels.tolist()
        ):
            assert box.corners == pytest.approx(corners, abs=1e-3)
            assert box.score == pytest.approx(score, abs=1e-3) and box.name == CLASSES[label]
    assert 0 < len(found[0].boxes) < len(predicted[0].pred_instances)


def test_proposals_of_this_projects_detector_and_of_broken_images(photos, tmp_path):
    for i in range(2):
        draw(tmp_path / f"p{i}.png", 64, 80, seed=i)
    (tmp_path / "broken.png").write_bytes((tmp_path / "p0.png").read_bytes()[:500])
    pack = dict(type="PackDetInputs")
    resize = dict(type="Resize", scale=(SIZE, SIZE), keep_ratio=False)
    pipeline = [dict(type="LoadImageFromFile"), resize, pack]
    dataset = dict(type="ads_det.ImageFolderDataset", data_root=str(tmp_path), pipeline=pipeline)
    loader = dict(batch_size=4, num_workers=0, dataset=dataset)
    model = build_detector()
    found = propose_boxes(model, loader, ["p1.png", "broken.png"], CLASSES[:1], 0.0)
    assert [len(image.boxes) for image in found] == [10, 0]
    assert (found[0].width, found[0].height, found[1].width) == (64, 80, 0)
    scores = [box.score for box in found[0].boxes]
    assert scores == sorted(scores, reverse=True)
    assert {box.name for box in found[0].boxes} <= {"a", "1", "2"}
    assert propose_boxes(model, loader, [], CLASSES, 0.0) == []
    (alone,) = propose_boxes(model, loader, ["broken.png"], CLASSES, 0.0)
    assert alone.boxes == ()


def test_class_names_without_a_word_in_the_checkpoint(trained, tmp_path):
    config, checkpoint = trained("ssd")
    content = torch.load(checkpoint, weights_only=False)
    content["meta"] = dict(CLASSES=("x", "y"))  # as mmdet 2 wrote it
    torch.save(content, tmp_path / "old.pth")
    cfg = Config.fromfile(config)
    assert class_names(cfg, tmp_path / "old.pth") == ["x", "y"]
    torch.save(dict(state_dict=content["state_dict"]), tmp_path / "bare.pth")
    assert class_names(cfg, tmp_path / "bare.pth") == list(CLASSES)
    dataset = cfg.test_dataloader.dataset.datasets[0]
    del dataset.metainfo
    assert len(class_names(cfg, tmp_path / "bare.pth")) == 80
    dataset.type = "ads_det.ImageFolderDataset"
    assert class_names(cfg, tmp_path / "bare.pth") == []


def test_mistakes_end_with_one_sentence(run, trained, photos, tmp_path, gap):
    config, checkpoint = trained("ssd")
    other = trained("retinanet")[1]
    common = ("select_images.py", config, checkpoint)
    in_folder = (*common, "--images", photos)
    bare = tmp_path / "bare.py"
    bare.write_text("model = dict(type='RetinaNet')\n")
    (tmp_path / "empty").mkdir()
    first = min(p for p in photos.rglob("*.*") if p.is_file()).relative_to(photos)
    (tmp_path / "labeled.txt").write_text(f"{first.as_posix()}\n")
    labeled = ("--number", 1, "--exclude", tmp_path / "labeled.txt")
    for arguments, message in (
        ((*common, "--number", 2), "pass a folder of images with --images"),
        (in_folder, "pass --number"),
        ((*in_folder, "--number", 0), "--number is 0"),
        ((*in_folder, "--number", 9), "there are 5 images"),
        ((*in_folder, "--number", 1, "--strategy", "luck"), "use one of ads_det.BALD"),
        ((*in_folder, "--number", 1, "--strategy-options", "topk=0"), "topk is 0"),
        ((*in_folder, "--number", 1, "--strategy", "Gap"), "compares at least 2 predictions"),
        ((*in_folder, "--number", 1, "--strategy", "VAAL"), "their ids with --exclude FILE, or"),
        ((*in_folder, *labeled, "--strategy", "SRAAL"), "but a folder of images has no labels"),
        ((*common, "--number", 1, "--images", tmp_path / "gone"), "gone does not exist"),
        ((*common, "--number", 1, "--images", tmp_path / "empty"), "contains no image"),
        (
            ("select_images.py", config, other, "--images", photos, "--number", 1),
            "another architecture",
        ),
        (("select_images.py", bare, other, "--images", photos, "--number", 1), "test_dataloader"),
    ):
        status, _, err = run(*arguments, "--out", tmp_path / "out")
        assert status == 2 and message in err and err.count("\n") == 1, (message, err)
    assert not (tmp_path / "out/picks.txt").exists()
