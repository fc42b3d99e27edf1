"""One small detector of each family that carries two classifiers, and its plain counterpart."""

import copy

import torch
from foreign_models import faster_rcnn
from helpers import CLASSES, DIGITS, detector_config, tiny_config
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope

from ads_det.registry import MODELS

WIDTH = dict(num_classes=len(CLASSES), in_channels=16, feat_channels=16, stacked_convs=1)
NORM = dict(type="GN", num_groups=4)
SQUARE = dict(type="AnchorGenerator", ratios=[1.0], octave_base_scale=4, scales_per_octave=1)
POINTS = dict(type="MlvlPointGenerator", offset=0, strides=[8, 16])
QUALITY = dict(type="QualityFocalLoss", use_sigmoid=True, beta=2.0, loss_weight=1.0)
RTMDET = dict(
    **WIDTH,
    anchor_generator=POINTS,
    bbox_coder=dict(type="DistancePointBBoxCoder"),
    loss_cls=QUALITY,
    loss_bbox=dict(type="GIoULoss", loss_weight=2.0),
)
TRAIN = dict(allowed_border=-1, pos_weight=-1)
STATIC = dict(assigner=dict(type="ATSSAssigner", topk=9), **TRAIN)
DYNAMIC = dict(assigner=dict(type="DynamicSoftLabelAssigner", topk=13), **TRAIN)

# type of mmdet's head, its arguments, `train_cfg`, and the layer that is doubled
HEADS = {
    "fcos": (
        "FCOSHead",
        dict(**WIDTH, strides=[8, 16], regress_ranges=((-1, 32), (32, 1e8)), norm_cfg=NORM),
        None,
        "conv_cls",
    ),
    "atss": (
        "ATSSHead",
        dict(
            **WIDTH,
            anchor_generator=dict(SQUARE, strides=[8, 16]),
            bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_stds=[0.1, 0.1, 0.2, 0.2]),
            loss_cls=dict(type="FocalLoss", use_sigmoid=True),
            loss_bbox=dict(type="GIoULoss", loss_weight=2.0),
            norm_cfg=NORM,
        ),
        STATIC,
        "atss_cls",
    ),
    "gfl": (
        "GFLHead",
        dict(
            **WIDTH,
            anchor_generator=dict(SQUARE, strides=[8, 16]),
            loss_cls=QUALITY,
            loss_bbox=dict(type="GIoULoss", loss_weight=2.0),
            norm_cfg=NORM,
        ),
        STATIC,
        "gfl_cls",
    ),
    "rtmdet": ("RTMDetHead", dict(RTMDET, norm_cfg=dict(type="BN")), DYNAMIC, "rtm_cls"),
    "rtmdet_sep_bn": (
        "RTMDetSepBNHead",
        dict(RTMDET, with_objectness=False, exp_on_reg=True),
        DYNAMIC,
        "rtm_cls",
    ),
}
DENSE = list(HEADS)
LAYERS = {name: f"bbox_head.{head[3]}" for name, head in HEADS.items()}
LAYERS["faster_rcnn"] = "roi_head.bbox_head.fc_cls"


def dense_config(family: str, plain: bool = False, **head) -> dict:
    """The detector of the helpers with a feature pyramid and a family's head: 80 points."""
    kind, arguments, train_cfg, _ = HEADS[family]
    model = detector_config()
    model["neck"] = dict(type="FPN", in_channels=[16, 32], out_channels=16, num_outs=2)
    model["bbox_head"] = dict(arguments, type=kind if plain else f"ads_det.ADS{kind}") | head
    model["train_cfg"] = train_cfg
    if plain:
        model["type"] = "SingleStageDetector"
        del model["test_cfg"]["per_classifier"]
    return copy.deepcopy(model)


def two_stage_config(plain: bool = False, **head) -> dict:
    """The Faster R-CNN of foreign_models.py with an RPN of 30 proposals."""
    model = copy.deepcopy(faster_rcnn())
    model["train_cfg"]["rpn"]["sampler"]["add_gt_as_proposals"] = False
    model["backbone"] = dict(model["backbone"], norm_eval=False)
    model["roi_head"]["bbox_head"].update(head)
    if not plain:
        model["type"] = "ads_det.ADSFasterRCNN"
        model["roi_head"]["bbox_head"]["type"] = "ads_det.ADSShared2FCBBoxHead"
        model["test_cfg"]["per_classifier"] = True
    return model


def family_config(family: str, plain: bool = False, **head) -> dict:
    if family == "faster_rcnn":
        return two_stage_config(plain, **head)
    return dense_config(family, plain, **head)


def tiny_family_config(data_root, family: str, **options):
    """The loop of :func:`helpers.tiny_config` with this detector."""
    model = family_config(family, num_classes=len(DIGITS))
    return tiny_config(data_root, **{"model": dict(model, _delete_=True)} | options)


def build(config: dict, seed: int = 0) -> torch.nn.Module:
    init_default_scope("mmdet")
    torch.manual_seed(seed)
    model = MODELS.build(ConfigDict(copy.deepcopy(config)))
    model.init_weights()
    return model
