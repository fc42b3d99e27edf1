"""Which of mmdet's heads are asked for the scores of all anchors."""

import copy

import numpy as np
import pytest
import torch
from foreign_models import BACKBONE, NECK, PREPROCESSOR, TEST
from helpers import SIZE, build_detector
from mmcv.transforms import Compose
from mmdet.models.detectors import SingleStageDetector
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope

from ads_det.core.outputs import BOXES, FEATURES, MEMBERS
from ads_det.errors import ADSError
from ads_det.models.ensemble import Ensemble
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


def test_boxes_are_in_pixels_of_the_input():
    """Whatever the size of the image was."""
    init_default_scope("mmdet")
    torch.manual_seed(0)
    config = dict(type="FCOS", backbone=BACKBONE, neck=NECK, bbox_head=HEADS["FCOS"][0])
    config |= dict(data_preprocessor=PREPROCESSOR, test_cfg=TEST)
    detector = MODELS.build(ConfigDict(copy.deepcopy(config))).eval()
    data = detector.data_preprocessor(packed_image(SIZE // 2, SIZE // 4), training=False)
    with torch.inference_mode():
        (outputs,) = scorable(detector).passes(**data, needs=frozenset({BOXES}))
        (expected,) = detector.predict(data["inputs"], data["data_samples"], rescale=False)
    (found,) = outputs.boxes
    expected = expected.pred_instances
    assert len(found.boxes) > 0 and torch.equal(found.labels, expected.labels)
    assert torch.allclose(found.boxes, expected.bboxes, atol=1e-3)
    assert torch.equal(found.scores, expected.scores)
    assert found.features.shape == (len(found.boxes), 16)


class Masks(SingleStageDetector):
    """Predicts something else than boxes."""

    def predict(self, batch_inputs, batch_data_samples, rescale=True):
        return batch_data_samples


def test_a_model_that_predicts_no_boxes_is_refused():
    init_default_scope("mmdet")
    config = dict(type=Masks, backbone=BACKBONE, neck=NECK, bbox_head=HEADS["FCOS"][0])
    config |= dict(data_preprocessor=PREPROCESSOR, test_cfg=TEST)
    model = scorable(MODELS.build(ConfigDict(copy.deepcopy(config))).eval())
    data = model.data_preprocessor(packed_image(), training=False)
    with pytest.raises(ADSError, match="The model predicts no boxes .*`model` is a detector of b"):
        next(iter(model.passes(**data, needs=frozenset({BOXES}))))
    with pytest.raises(ADSError, match="Masks has no joint prediction of several members"):
        Ensemble([model.detector] * 2)


def test_a_model_of_this_project_ranks_as_it_is():
    model = build_detector()
    assert scorable(model) is model


def packed_image(height=SIZE, width=SIZE):
    """A batch of one noise image as a loader gives it."""
    steps = [dict(type="Resize", scale=(SIZE, SIZE), keep_ratio=False), dict(type="PackDetInputs")]
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    shape = pixels.shape[:2]
    packed = Compose(steps)(dict(img=pixels, img_shape=shape, ori_shape=shape, img_id="one"))
    return dict(inputs=[packed["inputs"]], data_samples=[packed["data_samples"]])
