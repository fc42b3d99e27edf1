"""A small RetinaNet with two classifiers, for the tests that run both heads."""

import torch
from helpers import CLASSES, DIGITS, detector_config, tiny_config
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope

from ads_det.registry import MODELS


def retina_config(**head) -> dict:
    """The detector of the helpers with a feature pyramid and RetinaNet's head: 240 anchors."""
    model = detector_config()
    model["neck"] = dict(type="FPN", in_channels=[16, 32], out_channels=16, num_outs=2)
    model["bbox_head"] = (
        dict(
            type="ads_det.ADSRetinaHead",
            num_classes=len(CLASSES),
            in_channels=16,
            feat_channels=16,
            stacked_convs=1,
            anchor_generator=dict(
                type="AnchorGenerator",
                octave_base_scale=2,
                scales_per_octave=1,
                ratios=[0.5, 1.0, 2.0],
                strides=[8, 16],
            ),
            bbox_coder=dict(type="DeltaXYWHBBoxCoder"),
            loss_cls=dict(type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25),
            loss_bbox=dict(type="L1Loss"),
        )
        | head
    )
    del model["train_cfg"]["smoothl1_beta"], model["train_cfg"]["neg_pos_ratio"]
    model["train_cfg"].update(pos_weight=-1)
    return model


def build_retina(seed: int = 0, **head) -> torch.nn.Module:
    init_default_scope("mmdet")
    torch.manual_seed(seed)
    model = MODELS.build(ConfigDict(retina_config(**head)))
    model.init_weights()
    return model


def tiny_retina_config(data_root, **options):
    """The loop of :func:`helpers.tiny_config` with this detector."""
    model = retina_config(num_classes=len(DIGITS))
    return tiny_config(data_root, **{"model": dict(model, _delete_=True)} | options)
