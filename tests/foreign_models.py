"""Ordinary mmdet models, configs and checkpoints, as small as they go."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import torch
from helpers import CLASSES, SIZE, detector_config, dump_config
from mmcv.transforms import Compose
from mmdet.apis import inference_detector
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image, ImageDraw

MEAN, STD = [120.0] * 3, [60.0] * 3
PREPROCESSOR = dict(type="DetDataPreprocessor", mean=MEAN, std=STD, bgr_to_rgb=True)
BACKBONE = dict(type="ResNet", depth=18, base_channels=8, norm_eval=False)
NECK = dict(type="FPN", in_channels=[8, 16, 32, 64], out_channels=16, num_outs=5)
TEST = dict(nms_pre=100, score_thr=0.001, nms=dict(type="nms", iou_threshold=0.5), max_per_img=20)
CODER = dict(type="DeltaXYWHBBoxCoder", target_stds=[0.1, 0.1, 0.2, 0.2])
ASSIGNER = dict(type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0)


def ssd():
    model = detector_config()
    model["type"], model["bbox_head"]["type"] = "SingleStageDetector", "SSDHead"
    return model


def retinanet():
    return dict(
        type="RetinaNet",
        data_preprocessor=PREPROCESSOR,
        backbone=BACKBONE,
        neck=NECK,
        bbox_head=dict(
            type="RetinaHead",
            num_classes=len(CLASSES),
            in_channels=16,
            feat_channels=16,
            stacked_convs=1,
            anchor_generator=dict(
                type="AnchorGenerator",
                octave_base_scale=4,
                scales_per_octave=1,
                ratios=[0.5, 1.0],
                strides=[4, 8, 16, 32, 64],
            ),
        ),
        train_cfg=dict(assigner=ASSIGNER, sampler=dict(type="PseudoSampler"), allowed_border=-1,
                       pos_weight=-1),
        test_cfg=TEST,
    )  # fmt: skip


def faster_rcnn():
    sampler = dict(type="RandomSampler", num=16, pos_fraction=0.5)
    proposal = dict(nms_pre=50, max_per_img=30, nms=dict(type="nms", iou_threshold=0.7))
    return dict(
        type="FasterRCNN",
        data_preprocessor=PREPROCESSOR,
        backbone=BACKBONE,
        neck=NECK,
        rpn_head=dict(
            type="RPNHead",
            in_channels=16,
            feat_channels=16,
            anchor_generator=dict(
                type="AnchorGenerator", scales=[4], ratios=[0.5, 2.0], strides=[4, 8, 16, 32, 64]
            ),
            bbox_coder=dict(type="DeltaXYWHBBoxCoder"),
            loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=True),
        ),
        roi_head=dict(
            type="StandardRoIHead",
            bbox_roi_extractor=dict(
                type="SingleRoIExtractor",
                roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0),
                out_channels=16,
                featmap_strides=[4, 8, 16, 32],
            ),
            bbox_head=dict(
                type="Shared2FCBBoxHead",
                in_channels=16,
                fc_out_channels=32,
                num_classes=len(CLASSES),
                bbox_coder=CODER,
            ),
        ),
        train_cfg=dict(
            rpn=dict(assigner=ASSIGNER, sampler=sampler, allowed_border=-1, pos_weight=-1),
            rpn_proposal=proposal,
            rcnn=dict(assigner=ASSIGNER, sampler=sampler, pos_weight=-1),
        ),
        test_cfg=dict(rpn=proposal, rcnn={k: v for k, v in TEST.items() if k != "nms_pre"}),
    )


KINDS = dict(ssd=ssd, retinanet=retinanet, faster_rcnn=faster_rcnn)


def draw(path, width, height, seed, orientation=None):
    """Write noise with a rectangle, and optionally an EXIF orientation."""
    generator = np.random.default_rng(seed)
    image = Image.fromarray(generator.integers(0, 256, (height, width, 3), np.uint8))
    corner = generator.integers(5, 20, 2).tolist()
    ImageDraw.Draw(image).rectangle((*corner, corner[0] + 25, corner[1] + 20), fill="red")
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = image.getexif()
    if orientation:
        exif[0x0112] = orientation
    image.save(path, exif=exif)


def foreign_model_config(kind, root):
    """What somebody who uses mmdet has; the test annotations are on another machine."""
    load = dict(type="LoadImageFromFile", backend_args=None)
    resize = dict(type="Resize", scale=(SIZE, SIZE), keep_ratio=False)
    annotations = dict(type="LoadAnnotations", with_bbox=True)
    meta = ("img_path", "ori_shape", "img_shape", "scale_factor")
    test = dict(
        type="CocoDataset",
        data_root="/nowhere",
        ann_file="test.json",
        metainfo=dict(classes=CLASSES),
        pipeline=[load, resize, annotations, dict(type="PackDetInputs", meta_keys=meta)],
    )
    return Config(
        dict(
            default_scope="mmdet",
            model=KINDS[kind](),
            work_dir=str(root),
            train_dataloader=dict(
                batch_size=2,
                num_workers=0,
                sampler=dict(type="DefaultSampler", shuffle=True),
                dataset=dict(
                    type="CocoDataset",
                    data_root=str(root),
                    ann_file="train.json",
                    data_prefix=dict(img="train/"),
                    metainfo=dict(classes=CLASSES),
                    pipeline=[load, annotations, resize, dict(type="PackDetInputs")],
                ),
            ),
            train_cfg=dict(type="EpochBasedTrainLoop", max_epochs=1),
            optim_wrapper=dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01)),
            param_scheduler=[dict(type="LinearLR", start_factor=0.1, by_epoch=False, end=2)],
            default_hooks=dict(
                logger=dict(type="LoggerHook", interval=1),
                checkpoint=dict(type="CheckpointHook", interval=1),
            ),
            test_dataloader=dict(
                batch_size=2,
                num_workers=0,
                drop_last=True,
                sampler=dict(type="DefaultSampler", shuffle=False),
                dataset=dict(type="ConcatDataset", datasets=[test]),
            ),
            test_evaluator=dict(type="CocoMetric", ann_file="/nowhere/test.json"),
            test_cfg=dict(type="TestLoop"),
            randomness=dict(seed=0),
        )
    )


def train_foreign(kind: str, root: Path) -> tuple[Path, Path]:
    """The config file of a kind of model and the checkpoint that mmengine wrote of it after two
    steps of training."""
    coco = dict(images=[], annotations=[], categories=[])
    coco["categories"] = [dict(id=i, name=name) for i, name in enumerate(CLASSES)]
    for i in range(4):
        draw(root / "train" / f"{i}.png", SIZE, SIZE, seed=20 + i)
        coco["images"].append(dict(id=i, file_name=f"{i}.png", width=SIZE, height=SIZE))
        box = dict(bbox=[10, 10, 25, 20], area=500, iscrowd=0, category_id=i % 3)
        coco["annotations"].append(dict(box, id=i, image_id=i))
    (root / "train.json").write_text(json.dumps(coco))
    cfg = foreign_model_config(kind, root)
    dump_config(cfg, root / "foreign.py")
    training = copy.deepcopy(cfg)
    for key in ("test_dataloader", "test_evaluator", "test_cfg"):
        training[key] = None
    Runner.from_cfg(training).train()
    return root / "foreign.py", root / "epoch_1.pth"


def reference_model(config, checkpoint):
    """The model as mmdet builds it."""
    init_default_scope("mmdet")
    cfg = Config.fromfile(config)
    model = MODELS.build(copy.deepcopy(cfg.model))
    state = torch.load(checkpoint, weights_only=False)["state_dict"]
    assert set(state) == set(model.state_dict())
    model.load_state_dict(state)
    if cfg.model.type == "SingleStageDetector":
        model.bbox_head.loss_cls = None  # without it mmdet's SSD cannot predict
    model.cfg = cfg
    return model.eval()


def reference_predictions(model, paths):
    """What mmdet's own inference predicts."""
    pipeline = [
        step
        for step in model.cfg.test_dataloader.dataset.datasets[0].pipeline
        if step["type"] != "LoadAnnotations"
    ]
    return inference_detector(model, [str(path) for path in paths], Compose(pipeline))
