"""Small real models and batches shared by the tests."""

from __future__ import annotations

from pathlib import Path

import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement, InstanceData

from ads_det.active.settings import load_config
from ads_det.data.synthetic import CLASSES as DIGITS
from ads_det.engine.options import merge_options
from ads_det.engine.runner import CycleRunner
from ads_det.engine.training import training_config
from ads_det.files import write_ids
from ads_det.registry import MODELS

CONFIGS = Path(__file__).parents[1] / "configs"
SIZE = 64
CLASSES = ("a", "b", "c")


def detector_config(**head) -> dict:
    """A detector of 64 px with BatchNorm in backbone and neck: 368 anchors."""
    return dict(
        type="ads_det.ADSDetector",
        data_preprocessor=dict(
            type="DetDataPreprocessor", mean=[120] * 3, std=[60] * 3, bgr_to_rgb=True
        ),
        backbone=dict(
            type="ResNet", depth=18, base_channels=8, out_indices=(1, 2), norm_eval=False
        ),
        neck=dict(
            type="SSDNeck",
            in_channels=(16, 32),
            out_channels=(16, 32, 32),
            level_strides=(2,),
            level_paddings=(1,),
            l2_norm_scale=None,
            norm_cfg=dict(type="BN"),
        ),
        bbox_head=dict(
            type="ads_det.ADSSSDHead",
            in_channels=(16, 32, 32),
            num_classes=len(CLASSES),
            anchor_generator=dict(
                type="SSDAnchorGenerator",
                scale_major=False,
                input_size=SIZE,
                strides=[8, 16, 32],
                ratios=[[2], [2], [2]],
                min_sizes=[10, 20, 40],
                max_sizes=[20, 40, 60],
            ),
            bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_stds=[0.1, 0.1, 0.2, 0.2]),
        )
        | head,
        train_cfg=dict(
            assigner=dict(
                type="MaxIoUAssigner",
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.0,
                gt_max_assign_all=False,
            ),
            sampler=dict(type="PseudoSampler"),
            smoothl1_beta=1.0,
            allowed_border=-1,
            pos_weight=-1,
            neg_pos_ratio=3,
        ),
        test_cfg=dict(
            nms_pre=100,
            nms=dict(type="nms", iou_threshold=0.45),
            score_thr=0.0,
            max_per_img=10,
            per_classifier=True,
        ),
    )


def build_detector(seed: int = 0, **head) -> torch.nn.Module:
    init_default_scope("mmdet")
    torch.manual_seed(seed)
    model = MODELS.build(ConfigDict(detector_config(**head)))
    model.init_weights()
    return model


def detection_batch(n: int = 2, seed: int = 0, boxes: int = 2) -> dict:
    """A batch as a loader gives it: uint8 images and data samples with boxes."""
    generator = torch.Generator().manual_seed(seed)
    images = [
        torch.randint(0, 256, (3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
        for _ in range(n)
    ]
    samples = []
    for _ in range(n):
        corner = torch.rand(boxes, 2, generator=generator) * 30
        extent = 12 + torch.rand(boxes, 2, generator=generator) * 20
        shape = (SIZE, SIZE)
        sample = DetDataSample(
            metainfo=dict(img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0))
        )
        sample.gt_instances = InstanceData(
            bboxes=torch.cat([corner, corner + extent], dim=1),
            labels=torch.randint(0, len(CLASSES), (boxes,), generator=generator),
        )
        samples.append(sample)
    return dict(inputs=images, data_samples=samples)


def state_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of all parameters and buffers."""
    return {k: v.clone() for k, v in module.state_dict().items()}


def moved(before: dict[str, torch.Tensor], module: torch.nn.Module) -> set[str]:
    """Names of the tensors that are not bit-identical any more."""
    return {k for k, v in module.state_dict().items() if not torch.equal(v, before[k])}


def tiny_config(data_root: str, **options) -> Config:
    """The whole loop in seconds: 64 px digits, 4 + 4 + 4 labels, 3 epochs of 8 images."""
    resize = dict(type="Resize", scale=(SIZE, SIZE), keep_ratio=False)
    load, pack = dict(type="LoadImageFromFile"), dict(type="PackDetInputs")
    annotations = dict(type="LoadAnnotations", with_bbox=True)
    flip = dict(type="RandomFlip", prob=0.5)
    dataset = dict(
        type="ads_det.VOCDataset",
        data_root=str(data_root),
        metainfo=dict(classes=DIGITS),
        serialize_data=False,
    )
    model = detector_config(num_classes=len(DIGITS))
    cfg = Config(
        dict(
            default_scope="mmdet",
            default_hooks=dict(
                timer=dict(type="IterTimerHook"),
                logger=dict(type="LoggerHook", interval=1),
                param_scheduler=dict(type="ParamSchedulerHook"),
                checkpoint=dict(type="CheckpointHook", interval=1, max_keep_ckpts=1),
                sampler_seed=dict(type="DistSamplerSeedHook"),
            ),
            log_processor=dict(
                type="LogProcessor",
                by_epoch=True,
                mean_pattern=r"^(?!agreement|discrepancy).*(loss|time|grad_norm)",
            ),
            visualizer=dict(type="Visualizer", vis_backends=[dict(type="LocalVisBackend")]),
            randomness=dict(seed=0),
            model=model,
            pool=dict(**dataset, ann_file="ImageSets/Main/trainval.txt"),
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                sampler=dict(type="ads_det.FixedLengthSampler", num_samples=8),
                dataset=dict(pipeline=[load, annotations, resize, flip, pack]),
            ),
            unlabeled_dataloader=dict(
                batch_size=4, num_workers=0, dataset=dict(pipeline=[load, resize, flip, pack])
            ),
            candidate_dataloader=dict(
                batch_size=8, num_workers=0, dataset=dict(pipeline=[load, resize, pack])
            ),
            test_dataloader=dict(
                batch_size=8,
                num_workers=0,
                sampler=dict(type="DefaultSampler", shuffle=False),
                dataset=dict(
                    **dataset,
                    ann_file="ImageSets/Main/test.txt",
                    test_mode=True,
                    pipeline=[load, resize, annotations, pack],
                ),
            ),
            test_evaluator=dict(
                type="ads_det.PerClassifierMetric",
                metric=dict(type="VOCMetric", metric="mAP", eval_mode="11points"),
            ),
            test_cfg=dict(type="TestLoop"),
            train_cfg=dict(type="EpochBasedTrainLoop", max_epochs=3),
            optim_wrapper=dict(
                type="OptimWrapper",
                optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=5e-4),
            ),
            param_scheduler=[dict(type="MultiStepLR", by_epoch=True, milestones=[2], gamma=0.1)],
            method=dict(type="ads_det.ADS", images_per_epoch=8, positive_filter="none"),
            active_learning=dict(
                initial=4,
                budget=4,
                cycles=3,
                strategy=dict(type="ads_det.Entropy", topk=20),
                metric="pascal_voc/mAP",
            ),
        )
    )
    merge_options(cfg, options, tell=False)
    init_default_scope("mmdet")
    return cfg


def build_runner(digits, work_dir, labeled=6, unlabeled=12, **options):
    """A Runner on the first images of the tiny data set."""
    cfg = tiny_config(digits, **options)
    ids = (digits / "ImageSets/Main/trainval.txt").read_text().split()
    write_ids(work_dir / "labeled.txt", ids[:labeled])
    write_ids(work_dir / "unlabeled.txt", ids[labeled : labeled + unlabeled])
    return CycleRunner.from_cfg(
        training_config(
            cfg, work_dir / "train", work_dir / "labeled.txt", work_dir / "unlabeled.txt", seed=3
        )
    )


def classifier_config(**model) -> dict:
    """A ResNet-8 of width 4 for images of 8 px, with BatchNorm."""
    return (
        dict(
            type="ads_det.ADSClassifier",
            data_preprocessor=dict(type="ads_det.BatchAugmentPreprocessor", crop_padding=1),
            backbone=dict(type="ads_det.CIFARResNet", depth=8, width=4),
            num_classes=len(DIGITS),
        )
        | model
    )


def build_classifier(seed: int = 0, **model) -> torch.nn.Module:
    init_default_scope("mmengine")
    torch.manual_seed(seed)
    classifier = MODELS.build(ConfigDict(classifier_config(**model)))
    classifier.init_weights()
    classifier.data_preprocessor.set_statistics([127.0] * 3, [74.0] * 3)
    return classifier


def classification_batch(n: int = 8, seed: int = 0, size: int = 8) -> dict:
    """A batch as a loader gives it: uint8 images and one data element with their labels."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 3, size, size), generator=generator, dtype=torch.uint8)
    sample = BaseDataElement(metainfo=dict(img_id=[f"train/{i:05d}" for i in range(n)]))
    sample.labels = torch.randint(0, len(DIGITS), (n,), generator=generator)
    return dict(inputs=images, data_samples=sample)


def tiny_classification_config(**options) -> Config:
    """The whole loop in seconds: 8 px digits, 20 + 10 + 10 labels, 3 epochs."""
    cfg = load_config(CONFIGS / "resnet8_digits_ads.py")
    cfg.merge_from_dict(
        {
            "model.backbone.width": 4,
            "train_dataloader.batch_size": 8,
            "unlabeled_dataloader.batch_size": 8,
            "train_cfg.max_epochs": 3,
            "param_scheduler.0.milestones": [2],
            "optim_wrapper.optimizer.lr": 0.02,
            "active_learning": dict(initial=20, budget=10, cycles=3, subset=32),
        }
    )
    merge_options(cfg, options, tell=False)
    return cfg


def dump_config(cfg: Config, path: Path) -> None:
    """Write a config as Python, unformatted: yapf takes longer than most tests."""
    Config(cfg.to_dict(), format_python_code=False).dump(path)
