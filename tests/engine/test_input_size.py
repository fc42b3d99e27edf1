"""The input fits the objects, or a sentence says that it does not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset, RepeatDataset
from PIL import Image

from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.settings import load_config
from ads_det.commands.init import BASE
from ads_det.engine.input_size import input_scale, size_at_input, small_objects, with_input_size
from ads_det.engine.stored_config import read_config
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.coco import write_coco
from ads_det.labels.object_sizes import (
    INPUT_SIZES,
    choose_anchor_sizes,
    choose_input_size,
    relative_sizes,
    small_objects_sentence,
)
from ads_det.registry import MODELS


def photos(folder, side, number=12, width=600, height=400):
    """Photos with one square object each, and its labels."""
    folder.mkdir()
    labels = []
    for i in range(number):
        Image.new("RGB", (width, height), (9 * i, 0, 0)).save(folder / f"{i:02d}.jpg")
        box = Box("dot", 10, 10, 10 + side, 10 + side)
        labels.append(ImageLabels(f"{i:02d}.jpg", width, height, (box,)))
    return labels


def test_sizes_by_hand():
    labels = [ImageLabels("a", 400, 100, (Box("x", 0, 0, 40, 10), Box("x", 0, 0, 100, 4)))]
    assert relative_sizes(labels) == pytest.approx([0.1, 0.1])
    assert size_at_input((40, 10), (400, 100), (100, 100), False) == pytest.approx(10)
    # fitted in: 100 / 400 of its size
    assert size_at_input((40, 10), (400, 100), (100, 100), True) == pytest.approx(5)


def test_the_least_input_is_chosen_at_which_objects_are_large_enough():
    assert choose_input_size(np.full(9, 0.3), 1000) == 128
    assert choose_input_size(np.full(9, 11 / 128), 1000) == 256
    assert choose_input_size(np.full(9, 0.01), 1000) == INPUT_SIZES[-1]
    assert choose_input_size(np.full(9, 0.01), 260) == 256  # the images have no more pixels
    assert choose_input_size(np.full(9, 0.01), 50) == choose_input_size(np.empty(0), 1000) == 128


def test_anchors_span_the_objects():
    sizes = np.array([12.0] * 9 + [200.0])
    borders = choose_anchor_sizes(sizes, 256, 4)
    assert borders == sorted(set(borders)) and len(borders) == 5
    assert borders[0] == 12 and borders[-1] == 230  # 0.9 of the input


def test_a_sentence_only_if_many_are_small():
    assert small_objects_sentence(np.array([5.0] * 3 + [30.0] * 7), "it", "do").startswith("30% of")
    assert small_objects_sentence(np.array([5.0] * 1 + [30.0] * 9), "it", "do") == ""
    assert small_objects_sentence(np.empty(0), "it", "do") == ""


def test_every_pipeline_of_the_small_ssd_gets_the_new_size():
    cfg = load_config(BASE)
    cfg.merge_from_dict(with_input_size(cfg, 256, np.array([0.05, 0.2])))
    assert input_scale(cfg) == ((256, 256), False)
    train = {step.type: step for step in cfg.train_dataloader.dataset.pipeline}
    assert train["ads_det.LoadResized"].scale == (512, 512) and train[
        "ads_det.RandomAffine"
    ].border == (
        -128,
        -128,
    )
    assert cfg.model.bbox_head.anchor_generator.input_size == 256
    cfg.unlabeled_dataloader = None
    assert "unlabeled_dataloader" not in with_input_size(cfg, 128, np.empty(0))


@pytest.mark.parametrize(("side", "size"), [(200, 128), (44, 256)])
def test_a_project_gets_an_input_that_fits_its_labels(run, tmp_path, side, size):
    labels = photos(tmp_path / "photos", side)
    write_coco(labels, ["dot"], tmp_path / "given.json")
    options = ("--labels", tmp_path / "given.json", "--budget", 2, "--out", tmp_path / "p")
    status, out, err = run("init_project.py", tmp_path / "photos", *options)
    assert status == 0, err
    cfg = load_config(tmp_path / "p/p.py")
    assert input_scale(cfg)[0] == (size, size)
    assert ("instead of 128 x 128" in out) == (size != 128) == (tmp_path / "p/detector.py").exists()


def test_tiny_objects_are_spoken_of(run, tmp_path):
    labels = photos(tmp_path / "photos", 6)
    write_coco(labels, ["dot"], tmp_path / "given.json")
    options = ("--labels", tmp_path / "given.json", "--budget", 2, "--out", tmp_path / "p")
    out = run("init_project.py", tmp_path / "photos", *options)[1]
    assert "100% of the 12 labelled objects measure less than 10 pixels at the input of" in out
    none = ("--classes", "dot", "--initial", 5, "--budget", 2, "--out", tmp_path / "q")
    out = run("init_project.py", tmp_path / "photos", *none)[1]
    assert "name a larger --input-size" in out
    err = run("init_project.py", tmp_path / "photos", *none, "--input-size", 100)[2]
    assert err == "error: --input-size is 100; use a multiple of 32 from 64 to 1024.\n"


def test_each_cycle_speaks_of_small_objects():
    class Images(list):
        def get_data_info(self, i):
            return self[i]

    box = dict(bbox=[0, 0, 20, 20])
    images = Images([dict(width=1000, height=1000, instances=[box])])
    resize = dict(type="Resize", scale=(100, 100))
    cfg = Config(dict(candidate_dataloader=dict(dataset=dict(pipeline=[resize]))))
    assert "(the median 2)" in small_objects(cfg, images)
    cfg.candidate_dataloader.dataset.pipeline[0].scale = (1000, 1000)
    assert small_objects(cfg, images) == ""


class Images(BaseDataset):
    """Says of images what it is given."""

    def __init__(self, items):
        self.items = items
        super().__init__(serialize_data=False)

    def load_data_list(self):
        return self.items


def test_small_objects_in_a_wrapper_and_of_images_of_unknown_size():
    known = dict(width=1000, height=1000, instances=[dict(bbox=[0, 0, 20, 20])])
    unknown = dict(width=0, height=0, instances=[dict(bbox=[0, 0, 900, 900])] * 20)
    resize = dict(type="Resize", scale=(100, 100))
    cfg = Config(dict(candidate_dataloader=dict(dataset=dict(pipeline=[resize]))))
    found = small_objects(cfg, RepeatDataset(Images([known, unknown]), times=3))
    assert "1 labelled objects" in found and found == small_objects(cfg, Images([known]))


def test_a_project_begins_with_weights(run, tmp_path):
    photos(tmp_path / "photos", 6)
    torch.save(MODELS.build(load_config(BASE).model).state_dict(), tmp_path / "w.pth")
    (tmp_path / "x.pth").write_bytes(b"weights")
    options = ("--classes", "dot", "--initial", 5, "--budget", 2, "--out", tmp_path / "p")
    err = run("init_project.py", tmp_path / "photos", *options, "--weights", "gone.pth")[2]
    assert "--weights gone.pth is no file" in err
    err = run("init_project.py", tmp_path / "photos", *options, "--weights", "x.pth")[2]
    assert "x.pth', which could not be loaded" in err and not (tmp_path / "p").exists()
    status, _, err = run("init_project.py", tmp_path / "photos", *options, "--weights", "w.pth")
    assert status == 0, err
    assert load_config(tmp_path / "p/p.py").load_from == str(tmp_path / "w.pth")


@pytest.mark.parametrize(("side", "size"), [(200, 128), (44, 256)])
def test_the_first_labels_choose_the_input_of_a_project_without_any(run, tmp_path, side, size):
    labels = photos(tmp_path / "photos", side)
    given = ("--classes", "dot", "--initial", 5, "--budget", 2, "--out", "p")
    assert run("init_project.py", tmp_path / "photos", *given)[0] == 0
    own_line = "param_scheduler = []\n"
    with open(tmp_path / "p/detector.py", "a") as file:
        file.write(own_line)
    assert run("al_loop.py", "p/p.py", "--seed", 3)[0] == 0
    write_coco(labels, ["dot"], tmp_path / "given.json")
    take = ("import_labels.py", "work_dirs/p_seed3", "given.json", "--ignore-others")
    before = (tmp_path / "p/detector.py").read_text()
    assert run(*take, "--dry-run")[0] == 0 and (tmp_path / "p/detector.py").read_text() == before
    status, out, err = run(*take)
    assert status == 0, err
    assert (f"Input: {size} x {size} pixels instead of 128 x 128" in out) == (size != 128)
    assert (tmp_path / "p/detector.py").read_text().endswith(own_line)
    stored = read_config(tmp_path / "work_dirs/p_seed3/config.json")
    for cfg in (stored, load_config(tmp_path / "p/p.py")):
        assert input_scale(cfg)[0] == (size, size)
        assert cfg.model.bbox_head.anchor_generator.input_size == size
    # the run goes on by either config: nothing else differs
    for config in (("p/p.py", "--seed", 3), ("--work-dir", "work_dirs/p_seed3")):
        assert run("al_loop.py", *config, "--resume", "--check")[0] == 0
    loop = ActiveLearningLoop(with_seed(load_config(tmp_path / "p/p.py"), 3), "work_dirs/p_seed3")
    assert loop.work_dir.is_of_this_config()
    undo = ("import_labels.py", "work_dirs/p_seed3", "--undo")
    large = [replace(i, boxes=(Box("dot", 10, 10, 210, 210),)) for i in labels]
    write_coco(large, ["dot"], tmp_path / "large.json")
    other = (*take[:2], "large.json", *take[3:])
    assert run(*undo)[0] == 0
    status, out, err = run(*other)  # chooses as if there had been no other labels before
    assert status == 0, err
    assert (f"Input: 128 x 128 pixels instead of {size} x {size}" in out) == (size != 128)
    assert (tmp_path / "p/detector.py").read_text() == before
    assert input_scale(read_config(tmp_path / "work_dirs/p_seed3/config.json"))[0] == (128, 128)
    assert run(*undo)[0] == 0 and run(*take)[0] == 0
    assert read_config(tmp_path / "work_dirs/p_seed3/config.json").to_dict() == stored.to_dict()


def with_seed(cfg, seed):
    cfg.randomness = dict(seed=seed)
    return cfg


def test_an_input_that_was_asked_for_or_changed_stays(run, tmp_path):
    labels = photos(tmp_path / "photos", 44)
    write_coco(labels, ["dot"], tmp_path / "given.json")
    given = ("--classes", "dot", "--initial", 5, "--budget", 2)
    size = ("--input-size", 192)
    assert run("init_project.py", tmp_path / "photos", *given, *size, "--out", "asked")[0] == 0
    assert run("init_project.py", tmp_path / "photos", *given, "--out", "changed")[0] == 0
    with open("changed/changed.py", "a") as file:
        file.write("model.update(bbox_head=dict(num_classes=1, anchor_generator=dict(")
        file.write("min_sizes=[10, 26, 52, 84])))\n")
    for name, side in (("asked", 192), ("changed", 128)):
        assert run("al_loop.py", f"{name}/{name}.py")[0] == 0
        take = ("import_labels.py", f"work_dirs/{name}", "given.json", "--ignore-others")
        status, out, err = run(*take)
        assert status == 0 and "Input:" not in out, err
        cfg = read_config(tmp_path / f"work_dirs/{name}/config.json")
        assert input_scale(cfg)[0] == (side, side)
