"""Complete configs of mmdet's wheel, made as small as they go, and data in COCO's format."""

from __future__ import annotations

import json
from pathlib import Path

from foreign_models import draw
from helpers import CLASSES, SIZE

COCO = """\
_base_ = "mmdet::{published}"
data = dict(data_root="{root}/", metainfo=dict(classes={classes}), serialize_data=False)
train = dict(ann_file="train.json", data_prefix=dict(img="train/"), **data)
train_dataloader = dict(batch_size=2, num_workers=0, dataset={train})
test = dict(ann_file="test.json", data_prefix=dict(img="test/"), **data)
test_dataloader = dict(batch_size=2, num_workers=0, dataset=test)
test_evaluator = dict(ann_file="{root}/test.json")
active_learning = dict(initial=2, budget=1, cycles=2)
train_cfg = dict(max_epochs=2)
"""
VOC = """\
_base_ = "mmdet::{published}"
data = dict(data_root="{root}", metainfo=dict(classes={classes}), serialize_data=False)
files = dict(ann_file="ImageSets/Main/trainval.txt", pipeline={{{{_base_.train_pipeline}}}})
part = dict(type="VOCDataset", data_prefix=dict(sub_data_root=""), **files, **data)
whole = dict(dataset=dict(ignore_keys=["dataset_type"], datasets=[part]))
train_dataloader = dict(batch_size=2, num_workers=0, dataset=whole)
test = dict(ann_file="ImageSets/Main/test.txt", data_prefix=dict(sub_data_root=""), **data)
test_dataloader = dict(batch_size=2, num_workers=0, dataset=test)
active_learning = dict(initial=4, budget=1, cycles=1)
train_cfg = dict(max_epochs=2)
"""
SCALE = (SIZE, SIZE)
RESNET = {
    "model.backbone.depth": 18,
    "model.backbone.base_channels": 8,
    "model.backbone.init_cfg": None,
}
PYRAMID = {"model.neck.in_channels": [8, 16, 32, 64], "model.neck.out_channels": 16}
SMALL = {"train_dataloader.dataset.pipeline.2.scale": SCALE}
SMALL |= {"test_dataloader.dataset.pipeline.1.scale": SCALE}
DENSE = RESNET | PYRAMID | SMALL
DENSE |= {"model.bbox_head.in_channels": 16, "model.bbox_head.feat_channels": 16}
DENSE |= {"model.bbox_head.stacked_convs": 1}
GROUPS = DENSE | {"model.bbox_head.feat_channels": 64}  # GroupNorm has 32 groups
ROI = RESNET | PYRAMID | SMALL
ROI |= {"model.rpn_head.in_channels": 16, "model.rpn_head.feat_channels": 16}
ROI |= {"model.roi_head.bbox_roi_extractor.out_channels": 16}
STAGE = {"in_channels": 16, "fc_out_channels": 32}
CASCADE = {f"model.roi_head.bbox_head.{i}.{k}": v for i in range(3) for k, v in STAGE.items()}
ROI_PARTS = {f"model.roi_head.bbox_head.{k}": v for k, v in STAGE.items()}
CSP = {"model.neck.in_channels": [32, 64, 128], "model.neck.out_channels": 16}
CSP |= {"model.backbone.widen_factor": 0.125, "model.bbox_head.in_channels": 16}
CSP |= {"model.bbox_head.feat_channels": 16, "test_dataloader.dataset.pipeline.1.scale": SCALE}
STEPS = "train_dataloader.dataset.pipeline"
LATER = "custom_hooks.1.switch_pipeline"
LOAD = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations", with_bbox=True)]
PLAIN_STEPS = [*LOAD, dict(type="Resize", scale=SCALE), dict(type="PackDetInputs")]
# config of mmdet's wheel, what makes it small, and where it names its classes
PUBLISHED = {
    "retinanet": ("retinanet/retinanet_r50_fpn_1x_coco.py", DENSE),
    "fcos": ("fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py", GROUPS),
    "atss": ("atss/atss_r50_fpn_1x_coco.py", GROUPS),
    "gfl": ("gfl/gfl_r50_fpn_1x_coco.py", GROUPS),
    "rtmdet": (
        "rtmdet/rtmdet_tiny_8xb32-300e_coco.py",
        CSP
        | {
            "model.backbone.init_cfg": None,
            f"{STEPS}.2.img_scale": SCALE,
            f"{STEPS}.3.scale": (2 * SIZE, 2 * SIZE),
            f"{STEPS}.4.crop_size": SCALE,
            f"{STEPS}.7.size": SCALE,
            f"{STEPS}.8.img_scale": SCALE,
            f"{LATER}.2.scale": SCALE,
            f"{LATER}.3.crop_size": SCALE,
            f"{LATER}.6.size": SCALE,
            "custom_hooks.1.switch_epoch": 1,
            "test_dataloader.dataset.pipeline.2.size": SCALE,
        },
    ),
    "yolox": (
        "yolox/yolox_tiny_8xb8-300e_coco.py",
        CSP
        | {
            f"{STEPS}.0.img_scale": SCALE,
            f"{STEPS}.1.border": (-SIZE // 2, -SIZE // 2),
            f"{STEPS}.4.scale": SCALE,
            "model.data_preprocessor.batch_augments.0.random_size_range": (64, 96),
            "model.data_preprocessor.batch_augments.0.interval": 1,
            "custom_hooks.0.num_last_epochs": 1,
        },
    ),
    "faster_rcnn": ("faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py", ROI | ROI_PARTS),
    "cascade_rcnn": ("cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py", ROI | CASCADE),
    "detr": (
        "detr/detr_r50_8xb2-150e_coco.py",
        RESNET
        | {
            "model.neck.in_channels": [64],
            "model.encoder.num_layers": 1,
            "model.decoder.num_layers": 1,
            STEPS: PLAIN_STEPS,
            "test_dataloader.dataset.pipeline.1.scale": SCALE,
        },
    ),
}


def make_coco(folder: Path, train: int = 5) -> Path:
    """Some training and two test images of 64 px in COCO's format, a box in each."""
    folder.mkdir(exist_ok=True)
    for part, number in (("train", train), ("test", 2)):
        content = dict(images=[], annotations=[])
        content["categories"] = [dict(id=i, name=name) for i, name in enumerate(CLASSES)]
        for i in range(number):
            name = f"{part}{i}.png"
            draw(folder / part / name, SIZE, SIZE, seed=10 * len(part) + i)
            content["images"].append(dict(id=i, file_name=name, width=SIZE, height=SIZE))
            box = dict(bbox=[10, 10, 25, 20], area=500, iscrowd=0, category_id=i % 3)
            content["annotations"].append(dict(box, id=i, image_id=i))
        (folder / f"{part}.json").write_text(json.dumps(content))
    return folder


def write(path: Path, kind: str, root: Path, classes: tuple[str, ...] = CLASSES) -> dict:
    """The config of a kind of detector in ``path``; returns the options that make it small."""
    published, small = PUBLISHED[kind]
    train = "dict(dataset=train)" if kind == "yolox" else "train"
    text = COCO.format(published=published, root=root, classes=tuple(classes), train=train)
    assert len(text.splitlines()) <= 10
    path.write_text(text)
    places = {
        "cascade_rcnn": [f"roi_head.bbox_head.{i}" for i in range(3)],
        "faster_rcnn": ["roi_head.bbox_head"],
    }.get(kind, ["bbox_head"])
    return small | {f"model.{place}.num_classes": len(classes) for place in places}
