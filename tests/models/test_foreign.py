"""Which of mmdet's heads are asked for the scores of all anchors."""

import copy

import numpy as np
import pytest
import torch
from foreign_models import BACKBONE, NECK, PREPROCESSOR, TEST
from helpers import SIZE, build_detector
from mmcv.transforms import Compose
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope

from ads_det.core.outputs import FEATURES, MEMBERS
from ads_det.models.foreign import MAX_BOXES, ForeignDetector, scorable

HEAD = dict(num_classes=3, in_channels=16, feat_channels=16, stacked_convs=1)
HEAD["norm_cfg"] = dict(type="BN")
ONE_ANCHOR = dict(type="AnchorGenerator", ratios=[1.0], octave_base_scale=8, scales_per_octave=1)
ONE_ANCHOR["strides"] = [8, 16, 32, 64, 128]
FOCAL = dict(type="QualityFocalLoss", use_sigmoid=True)
HEADS = dict(
    FCOS=(dict(type="FCOSHead", **HEAD), True),
    ATSS=(dict(type="ATSSHead", anchor_generator=ONE_ANCHOR, **HEAD), True),
    GFL=(dict(type="GFLHead", anchor_generator=ONE_ANCHOR, loss_cls=FOCAL, **HEAD), True),
    AutoAssign=(dict(type="AutoAssignHead", **HEAD), False),
    YOLOX=(dict(type="YOLOXHead", strides=(4, 8, 16, 32, 64), **HEAD), False),
)


@pytest.mark.parametrize("kind", HEADS)
def test_which_heads_are_asked_for_every_anchor(kind):
    init_default_scope("mmdet")
    head, has_anchor_scores = HEADS[kind]
    torch.manual_seed(0)
    config = dict(type=kind, backbone=BACKBONE, neck=NECK, bbox_head=head, test_cfg=TEST)
    config = copy.deepcopy(dict(config, data_preprocessor=PREPROCESSOR))
    detector = MODELS.build(ConfigDict(config)).eval()
    model = scorable(detector)
    assert isinstance(model, ForeignDetector)
    assert not model.training and model.has_anchor_scores is has_anchor_scores
    data = model.data_preprocessor(packed_image(), training=False)
    with torch.inference_mode():
        (outputs,) = model.passes(**data, needs=frozenset({MEMBERS, FEATURES}))
    (y,) = outputs.members
    assert y.dtype == torch.float32 and outputs.features.shape == (1, 80)
    if has_anchor_scores:
        assert y.shape == (1, sum(max(SIZE // s, 1) ** 2 for s in (4, 8, 16, 32, 64)), 3)
    else:
        assert y.shape == (1, MAX_BOXES, 1) and (y >= 0).all() and (y <= 1).all()


def test_a_model_of_this_project_ranks_as_it_is():
    model = build_detector()
    assert scorable(model) is model


def packed_image():
    """A batch of one noise image as a loader gives it."""
    steps = [dict(type="Resize", scale=(SIZE, SIZE), keep_ratio=False), dict(type="PackDetInputs")]
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    shape = pixels.shape[:2]
    packed = Compose(steps)(dict(img=pixels, img_shape=shape, ori_shape=shape, img_id="one"))
    return dict(inputs=[packed["inputs"]], data_samples=[packed["data_samples"]])
