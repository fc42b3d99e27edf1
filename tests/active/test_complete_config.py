"""A complete config of mmdet in the loop, as it is."""

import json

import pytest
import torch
from foreign_models import foreign_model_config, train_foreign

from ads_det.engine.complete_config import loop_config
from ads_det.errors import ADSError


@pytest.fixture
def written(tmp_path):
    """Write the config of a kind of model whose test images are others of the same kind."""

    def write(kind, **changes):
        root = tmp_path / "data"
        train_foreign(kind, root)
        coco = json.loads((root / "train.json").read_text())
        (root / "test").mkdir()
        for image in coco["images"]:
            name = f"t{image['file_name']}"
            pixels = (root / "train" / image["file_name"]).read_bytes()
            (root / "test" / name).write_bytes(pixels)
            image["file_name"] = name
        (root / "test.json").write_text(json.dumps(coco))
        cfg = foreign_model_config(kind, root)
        test = cfg.test_dataloader.dataset.datasets[0]
        test.update(data_root=str(root), data_prefix=dict(img="test/"))
        test.pipeline[-1].meta_keys = ("img_id", *test.pipeline[-1].meta_keys)
        cfg.test_dataloader.dataset = test
        cfg.test_dataloader.drop_last = False
        cfg.test_evaluator.ann_file = str(root / "test.json")
        cfg.active_learning = dict(initial=2, budget=1, cycles=1, allow_test_in_pool=True)
        cfg.merge_from_dict(changes)
        cfg.dump(tmp_path / "mine.py")
        return tmp_path / "mine.py"

    return write


@pytest.mark.parametrize("kind", ["retinanet", "faster_rcnn"])
def test_a_cycle_of_a_detector_of_mmdet(run, written, tmp_path, kind):
    average = dict(type="EMAHook", momentum=0.5, priority=49)
    options = {"active_learning.cycles": 2, "custom_hooks": [average]}
    status, _, err = run("al_loop.py", written(kind, **options), "--work-dir", tmp_path / "run")
    assert status == 0, err
    metrics = json.loads((tmp_path / "run/cycle_01/metrics.json").read_text())
    assert "mean/coco/bbox_mAP" in metrics["metrics"] and metrics["labeled_images"] == 3
    assert len((tmp_path / "run/cycle_00/picks.txt").read_text().split()) == 1
    state = torch.load(tmp_path / "run/cycle_01/model.pth", weights_only=False)["state_dict"]
    assert not any("ema" in name for name in state)


def test_what_is_the_users_stays_as_it_is(tmp_path):
    given = foreign_model_config("retinanet", tmp_path)
    given.test_dataloader.dataset = given.test_dataloader.dataset.datasets[0]
    steps = given.train_dataloader.dataset.pipeline
    wrapped = dict(type="RepeatDataset", times=3, dataset=given.train_dataloader.dataset)
    given.train_dataloader.dataset = wrapped
    cfg = loop_config(given)
    for key in ("model", "optim_wrapper", "param_scheduler", "train_cfg"):
        assert cfg[key] == given[key]
    assert cfg.train_dataloader.dataset.times == 3
    assert cfg.train_dataloader.dataset.dataset.pipeline == steps
    assert cfg.pool.type == "ads_det.CocoDataset" and cfg.pool.ann_file == "train.json"
    assert cfg.test_evaluator[0].metric == given.test_evaluator
    assert given.test_dataloader.dataset.type == "CocoDataset"  # not changed


REFUSED = {
    "several data sets": (dict(), "test_dataloader.dataset is no single data set"),
    "iterations": ({"train_cfg.type": "IterBasedTrainLoop"}, "train_cfg of the config counts"),
    "no metric of boxes": ({"test_evaluator.type": "CityScapesMetric"}, "names no metric of boxes"),
    "other data": ({"train_dataloader.dataset.type": "LVISDataset"}, "'LVISDataset', whose images"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path, case):
    changes, sentence = REFUSED[case]
    cfg = foreign_model_config("retinanet", tmp_path)
    if changes:
        cfg.test_dataloader.dataset = cfg.test_dataloader.dataset.datasets[0]
        cfg.merge_from_dict(changes)
    with pytest.raises(ADSError, match=sentence):
        loop_config(cfg)
