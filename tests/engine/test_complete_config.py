"""What the loop adds to a complete config of mmdet, and what it leaves."""

import pytest
from foreign_models import foreign_model_config

from ads_det.engine.complete_config import loop_config
from ads_det.errors import ADSError

WEIGHTS = dict(type="Pretrained", checkpoint="torchvision://resnet50")


@pytest.fixture
def cfg(tmp_path):
    """Of a RetinaNet whose backbone looks for weights; no image of it exists."""
    cfg = foreign_model_config("retinanet", tmp_path)
    test = cfg.test_dataloader.dataset.datasets[0]
    cfg.test_dataloader.dataset = test
    cfg.test_evaluator.ann_file = f"{test.data_root}/{test.ann_file}"
    cfg.model.backbone.init_cfg = WEIGHTS
    return cfg


def test_unlabelled_images_are_loaded_like_candidates_unless_the_config_says_otherwise(cfg):
    found = loop_config(cfg)
    assert found.unlabeled_dataloader == dict(
        batch_size=2, num_workers=0, dataset=found.candidate_dataloader.dataset
    )
    own = dict(batch_size=7, num_workers=0, dataset=dict(pipeline=[]))
    cfg.unlabeled_dataloader = own
    assert loop_config(cfg).unlabeled_dataloader == own


def test_a_backbone_looks_for_no_weights_where_those_of_all_are_given(cfg):
    assert loop_config(cfg).model.backbone.init_cfg == WEIGHTS
    cfg.load_from = "whole.pth"
    assert loop_config(cfg).model.backbone.init_cfg is None
    assert cfg.model.backbone.init_cfg == WEIGHTS  # a copy was changed


@pytest.mark.parametrize("given", [3, ["CocoMetric"]])
def test_an_evaluator_that_is_no_dict(cfg, given):
    cfg.test_evaluator = given
    with pytest.raises(ADSError, match="test_evaluator is .*; it must be a dict with a type"):
        loop_config(cfg)
