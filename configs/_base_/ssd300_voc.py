# SSD300 with VGG-16 on PASCAL VOC: trainval of 2007 and 2012 is the pool, test of 2007 the test.
# Model and anchors are those of mmdet's SSD300 for VOC (76.5 mAP on all labels), restated whole;
# comments say where a value comes from if not from there.
import os

input_size = 300
mean = [123.675, 116.28, 103.53]
model = dict(
    type="ads_det.ADSDetector",
    data_preprocessor=dict(
        type="DetDataPreprocessor",
        non_blocking=True,
        mean=mean,
        std=[1, 1, 1],  # mean only: the Caffe weights expect pixels on the scale of 0 to 255
        bgr_to_rgb=True,
        pad_size_divisor=1,
    ),
    backbone=dict(
        type="SSDVGG",
        depth=16,
        with_last_pool=False,
        ceil_mode=True,
        out_indices=(3, 4),
        out_feature_indices=(22, 34),
        # The environment variable ADS_DET_VGG16 names a local copy of the file; without weights:
        # --cfg-options model.backbone.init_cfg=None
        init_cfg=dict(type="Pretrained", checkpoint="{{$ADS_DET_VGG16:open-mmlab://vgg16_caffe}}"),
    ),
    neck=dict(
        type="SSDNeck",
        in_channels=(512, 1024),
        out_channels=(512, 1024, 512, 256, 256, 256),
        level_strides=(2, 2, 1, 1),
        level_paddings=(1, 1, 0, 0),
        l2_norm_scale=20,
    ),
    bbox_head=dict(
        type="ads_det.ADSSSDHead",
        activation="sigmoid",  # the BCE of the paper's Eq. 1; "softmax" is SSD's own loss
        num_classifiers=2,
        # RetinaNet's: from biases of 0 every anchor is half an object and the first losses are tens
        # of times as large (docs/game.md)
        prior=0.01,
        in_channels=(512, 1024, 512, 256, 256, 256),
        num_classes=20,
        anchor_generator=dict(  # 8,732 anchors
            type="SSDAnchorGenerator",
            scale_major=False,
            input_size=input_size,
            basesize_ratio_range=(0.2, 0.9),
            strides=[8, 16, 32, 64, 100, 300],
            ratios=[[2], [2, 3], [2, 3], [2, 3], [2], [2]],
        ),
        bbox_coder=dict(
            type="DeltaXYWHBBoxCoder",
            target_means=[0.0, 0.0, 0.0, 0.0],
            target_stds=[0.1, 0.1, 0.2, 0.2],
        ),
    ),
    train_cfg=dict(
        assigner=dict(
            type="MaxIoUAssigner",
            pos_iou_thr=0.5,
            neg_iou_thr=0.5,
            min_pos_iou=0.0,
            ignore_iof_thr=-1,
            gt_max_assign_all=False,
        ),
        sampler=dict(type="PseudoSampler"),
        smoothl1_beta=1.0,
        allowed_border=-1,
        pos_weight=-1,
        neg_pos_ratio=3,
        debug=False,
    ),
    test_cfg=dict(
        nms_pre=1000,
        nms=dict(type="nms", iou_threshold=0.45),
        min_bbox_size=0,
        score_thr=0.02,
        max_per_img=200,
        per_classifier=True,  # report f1 and f2 beside their mean
    ),
)

scale = (input_size, input_size)
meta = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
load = [dict(type="LoadImageFromFile")]
color = dict(
    type="PhotoMetricDistortion",
    brightness_delta=32,
    contrast_range=(0.5, 1.5),
    saturation_range=(0.5, 1.5),
    hue_delta=18,
)
# The order is that of ssd.pytorch, with which LL4AL trained: colours first, so that the border
# that Expand paints in the mean colour stays zero after the mean is subtracted.
train_pipeline = [
    *load,
    dict(type="LoadAnnotations", with_bbox=True),
    color,
    dict(type="Expand", mean=mean, to_rgb=True, ratio_range=(1, 4)),
    # ssd.pytorch's choices: the whole image, IoU .1, .3, .7, .9, or any crop. mmdet adds .5, with
    # which all baselines come out above the published curves (MI-AOD, issue 67).
    dict(type="MinIoURandomCrop", min_ious=(0.1, 0.3, 0.7, 0.9), min_crop_size=0.3),
    dict(type="Resize", scale=scale, keep_ratio=False),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
# No crop: it would be led by the boxes, which are the labels of the pool.
unlabeled_pipeline = [
    *load,
    dict(type="Resize", scale=scale, keep_ratio=False),
    dict(type="RandomFlip", prob=0.5),
    color,
    dict(type="PackDetInputs", meta_keys=meta),
]
candidate_pipeline = [
    *load,
    dict(type="Resize", scale=scale, keep_ratio=False),
    dict(type="PackDetInputs", meta_keys=meta),
]
test_pipeline = [
    *load,
    dict(type="Resize", scale=scale, keep_ratio=False),
    dict(type="LoadAnnotations", with_bbox=True),  # after Resize: boxes stay in image pixels
    dict(type="PackDetInputs", meta_keys=meta),
]

dataset = dict(type="ads_det.VOCDataset", data_root="data/VOCdevkit/")
# all images: training, phases and scoring see their parts of it
pool = dict(
    **dataset,
    ann_file=["VOC2007/ImageSets/Main/trainval.txt", "VOC2012/ImageSets/Main/trainval.txt"],
)
# Workers start anew each epoch: their random state is a function of the epoch (seeding.py). One a
# core, but one, as loading takes longer than a GPU; another number draws other augmentations, so
# name it (--cfg-options train_dataloader.num_workers=N) to repeat a run on another machine.
loader = dict(
    batch_size=32,
    num_workers=max((os.cpu_count() or 2) - 1, 1),
    persistent_workers=False,
)
train_dataloader = dict(
    **loader,
    # an epoch is one pass over the labelled images, so it grows from cycle to cycle (LL4AL)
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        filter_cfg=dict(filter_empty_gt=True),  # of the labelled images; the pool is not filtered
        pipeline=train_pipeline,
    ),
)
unlabeled_dataloader = dict(**loader, dataset=dict(pipeline=unlabeled_pipeline))
candidate_dataloader = dict(**loader, dataset=dict(pipeline=candidate_pipeline))
test_dataloader = dict(
    **loader,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        **dataset,
        ann_file="VOC2007/ImageSets/Main/test.txt",
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
# VOC 2007's own measure: 11 recall points, IoU 0.5, difficult boxes count for nothing
test_evaluator = dict(
    type="ads_det.PerClassifierMetric",
    metric=dict(type="VOCMetric", metric="mAP", eval_mode="11points", iou_thrs=0.5),
)
test_cfg = dict(type="TestLoop")
del os, input_size, mean, scale, meta, load, color, dataset, loader
del train_pipeline, unlabeled_pipeline, candidate_pipeline, test_pipeline
