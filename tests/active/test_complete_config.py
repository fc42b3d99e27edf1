"""A complete config of mmdet in the loop: of at most ten lines, all else as mmdet ships it."""

import functools
import json
import re

import pytest
import torch
from complete_models import DENSE, PUBLISHED, SCALE, VOC, make_coco, write
from helpers import CLASSES, DIGITS

from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.settings import load_config
from ads_det.engine.complete_config import in_loop, is_complete, loop_config
from ads_det.engine.export import export_mmdet
from ads_det.engine.foreign_config import load_detector
from ads_det.engine.hooks import ProgressHook
from ads_det.engine.training import evaluation_runner

QUICK = ("rtmdet",)
EACH = [pytest.param(k, marks=() if k in QUICK else pytest.mark.slow) for k in PUBLISHED]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_coco(tmp_path_factory.mktemp("coco"))


def small_config(path, options):
    cfg = load_config(path, options)
    assert is_complete(cfg)
    return in_loop(cfg)


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    """From a kind of detector to the config and the work directory of two cycles."""

    @functools.cache
    def run(kind):
        folder = tmp_path_factory.mktemp(kind)
        cfg = small_config(folder / "mine.py", write(folder / "mine.py", kind, root))
        ActiveLearningLoop(cfg, folder / "run").run()
        return cfg, folder / "run"

    return run


@pytest.mark.parametrize("kind", PUBLISHED)
def test_each_passes_the_checks_before_a_run(root, kind, tmp_path):
    cfg = small_config(tmp_path / "mine.py", write(tmp_path / "mine.py", kind, root))
    ActiveLearningLoop(cfg, tmp_path / "run").check()


@pytest.mark.parametrize("kind", EACH)
def test_two_cycles_with_the_evaluator_of_the_config(finished, kind):
    cfg, run = finished(kind)
    result = json.loads((run / "cycle_01/metrics.json").read_text())
    assert "mean/coco/bbox_mAP" in result["metrics"] and result["labeled_images"] == 3
    (pick,) = (run / "cycle_00/picks.txt").read_text().split()
    assert pick.startswith("train") and len(cfg.active_learning) == 5
    state = torch.load(run / "cycle_01/model.pth", weights_only=True)["state_dict"]
    assert not any("ema" in name for name in state)


class Stop(BaseException):
    """A kill: nothing catches it."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", EACH)
def test_a_training_that_was_cut_short_ends_alike(finished, kind, monkeypatch, tmp_path):
    cfg, whole = finished(kind)
    proceed = ProgressHook.after_train_iter

    def stop(self, runner, *args, **kwargs):
        if runner.epoch == 1 and runner.iter % 2:
            raise Stop
        proceed(self, runner, *args, **kwargs)

    cfg = cfg.copy()
    cfg.active_learning = cfg.active_learning | dict(cycles=1)
    cfg.default_hooks.checkpoint.interval = 1
    monkeypatch.setattr(ProgressHook, "after_train_iter", stop)
    with pytest.raises(Stop):
        ActiveLearningLoop(cfg, tmp_path).run()
    assert (tmp_path / "cycle_00/train/epoch_1.pth").exists()
    monkeypatch.setattr(ProgressHook, "after_train_iter", proceed)
    ActiveLearningLoop(cfg, tmp_path, resume=True).run()
    states = [
        torch.load(folder / "cycle_00/model.pth", weights_only=True)["state_dict"]
        for folder in (whole, tmp_path)
    ]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.slow
@pytest.mark.parametrize("kind", EACH)
def test_the_detector_leaves_as_mmdets_own(finished, kind, tmp_path):
    cfg, run = finished(kind)
    model = load_detector(cfg, run / "cycle_01/model.pth")
    export_mmdet(cfg, model, list(CLASSES), tmp_path)
    again = load_detector(load_config(tmp_path / "config.py"), tmp_path / "model.pth")
    assert "ads_det" not in (tmp_path / "config.py").read_text()
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in model.state_dict().items())


def test_data_of_voc_with_its_metric(digits, tmp_path):
    published = "pascal_voc/retinanet_r50_fpn_1x_voc0712.py"
    text = VOC.format(published=published, root=digits, classes=DIGITS)
    (tmp_path / "mine.py").write_text(text)
    options = {k: v for k, v in DENSE.items() if not k.startswith("train_dataloader")}
    options |= {"model.bbox_head.num_classes": 10, "train_dataloader.dataset.times": 1}
    cfg = small_config(tmp_path / "mine.py", options)
    steps = cfg.train_dataloader.dataset.dataset.pipeline
    steps[2].scale = SCALE
    ActiveLearningLoop(cfg, tmp_path / "run").run()
    result = json.loads((tmp_path / "run/cycle_00/metrics.json").read_text())
    assert "mean/pascal_voc/mAP" in result["metrics"] and result["labeled_images"] == 4


@pytest.mark.slow
def test_weights_of_other_classes_begin_each_cycle_of_ads(finished, root, tmp_path, capsys):
    """The classes of the checkpoint are a, b, c; of the data only a and c. With heads of this
    project the config of mmdet trains by ADS."""
    _, run = finished("retinanet")
    options = write(tmp_path / "mine.py", "retinanet", root, ("a", "c"))
    options |= {"load_from": str(run / "cycle_01/model.pth"), "active_learning.cycles": 1}
    options |= {"optim_wrapper.optimizer.lr": 1e-12, "param_scheduler": []}
    options |= {"optim_wrapper.optimizer.weight_decay": 0.0}
    options |= {
        "model.type": "ads_det.ADSDetector",
        "model.bbox_head.type": "ads_det.ADSRetinaHead",
    }
    options |= {"method": dict(type="ads_det.ADS", interval=1, begin=1, positive_filter="none")}
    ActiveLearningLoop(small_config(tmp_path / "mine.py", options), tmp_path / "run").run()
    out = capsys.readouterr().out
    assert "tensors were loaded; bbox_head.retina_cls.weight, bbox_head.retina_cls.bias" in out
    assert " and 2 more in the rows of a, c, where other rows were drawn anew." in out
    old, new = (
        torch.load(path, weights_only=True)["state_dict"]
        for path in (run / "cycle_01/model.pth", tmp_path / "run/cycle_00/model.pth")
    )
    name = "bbox_head.retina_cls"
    given = old[f"{name}.weight"].unflatten(0, (9, 3))[:, [0, 2]].flatten(0, 1)
    assert torch.allclose(new[f"{name}.weight"], given, atol=1e-6)
    gap = (new[f"{name}2.weight"] - given).std() / given.std()
    assert 0.05 < gap < 0.2


def test_the_first_images_are_chosen_by_the_pretrained_model(finished, tmp_path, capsys):
    cfg, run = finished("retinanet")
    cfg = cfg.copy()
    cfg.load_from = str(run / "cycle_01/model.pth")
    state = evaluation_runner(cfg, None, tmp_path).model.state_dict()
    given = torch.load(cfg.load_from, weights_only=True)["state_dict"]
    assert all(torch.equal(value, given[name]) for name, value in state.items())
    assert f"model.pth {len(state)} tensors were loaded." in capsys.readouterr().out


def unmarked(node):
    """Without what mmengine notes of the package that a part of a config came from."""
    return re.sub(r"'_scope_': 'mmdet',? ?|,? ?'_scope_': 'mmdet'", "", str(node))


def test_what_is_the_users_stays_as_it_is(root, tmp_path):
    given = load_config(tmp_path / "mine.py", write(tmp_path / "mine.py", "yolox", root))
    cfg = loop_config(given)
    for key in ("model", "optim_wrapper", "param_scheduler", "train_cfg", "custom_hooks"):
        assert unmarked(cfg[key]) == unmarked(given[key])
    wrapped, own = cfg.train_dataloader.dataset, given.train_dataloader.dataset
    for found, expected in ((wrapped, own), (wrapped.dataset, own.dataset)):
        assert unmarked(found.pipeline) == unmarked(expected.pipeline)
    assert cfg.pool.type == "ads_det.CocoDataset" and cfg.pool.ann_file == "train.json"
    assert unmarked(cfg.test_evaluator.metric) == unmarked(given.test_evaluator)
    assert given.test_dataloader.dataset.type == "CocoDataset"  # not changed
