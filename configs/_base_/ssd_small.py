# A small SSD that trains in minutes on a CPU: ResNet-18 with 16 instead of 64 channels, from
# scratch, 128 px, 1,520 anchors on four levels (strides 8 to 64). Its loaders read any
# VOC-format folder (data/README.md); a config that inherits names data_root and classes.
input_size = 128
model = dict(
    type="ads_det.ADSDetector",
    data_preprocessor=dict(
        type="ads_det.DetDataPreprocessor",
        non_blocking=True,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=1,
    ),
    backbone=dict(
        type="ads_det.ResNet",
        depth=18,
        base_channels=16,
        out_indices=(1, 2, 3),
        norm_cfg=dict(type="BN"),
        norm_eval=False,
    ),
    neck=dict(
        type="SSDNeck",
        in_channels=(32, 64, 128),
        out_channels=(32, 64, 128, 64),
        level_strides=(2,),
        level_paddings=(1,),
        l2_norm_scale=None,
        norm_cfg=dict(type="BN"),
        act_cfg=dict(type="ReLU"),
        init_cfg=dict(type="Xavier", layer="Conv2d", distribution="uniform"),
    ),
    bbox_head=dict(
        type="ads_det.ADSSSDHead",
        activation="sigmoid",
        prior=0.01,  # classifiers that start from a half spend many updates to unlearn it
        in_channels=(32, 64, 128, 64),
        num_classes=20,
        anchor_generator=dict(
            type="SSDAnchorGenerator",
            scale_major=False,
            input_size=input_size,
            strides=[8, 16, 32, 64],
            ratios=[[2], [2, 3], [2, 3], [2]],
            min_sizes=[12, 26, 52, 84],
            max_sizes=[26, 52, 84, 116],
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
        nms_pre=400,
        nms=dict(type="nms", iou_threshold=0.45),
        min_bbox_size=0,
        score_thr=0.02,
        max_per_img=100,
        per_classifier=True,
    ),
)
scale = (input_size, input_size)
meta = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
# photos are decoded at a reduced scale where that is enough
resize = dict(type="ads_det.LoadResized", scale=scale)
color = dict(
    type="PhotoMetricDistortion",
    brightness_delta=32,
    contrast_range=(0.5, 1.5),
    saturation_range=(0.5, 1.5),
    hue_delta=18,
)
train_pipeline = [
    dict(type="LoadAnnotations", with_bbox=True),
    # one warp zooms, shifts and brings to size; it is fast where SSD's random crop is slow
    dict(type="ads_det.LoadResized", scale=(2 * input_size, 2 * input_size), cache_mib=512),
    dict(
        type="ads_det.RandomAffine",
        min_visible=0.3,
        max_rotate_degree=0,
        max_shear_degree=0,
        max_translate_ratio=0.15,
        scaling_ratio_range=(0.3, 0.8),  # 0.5 shows the whole image
        border=(-input_size // 2, -input_size // 2),
        border_val=(104, 116, 124),
    ),
    dict(type="RandomFlip", prob=0.5),
    color,
    dict(type="PackDetInputs"),
]
unlabeled_pipeline = [
    resize,
    dict(type="RandomFlip", prob=0.5),
    color,
    dict(type="PackDetInputs", meta_keys=meta),
]
candidate_pipeline = [
    resize,
    dict(type="PackDetInputs", meta_keys=meta),
]
test_pipeline = [
    resize,
    dict(type="LoadAnnotations", with_bbox=True),  # after resizing: boxes stay in image pixels
    dict(type="PackDetInputs", meta_keys=meta),
]
# serialised items save memory in workers, but cost a garbage collection for each data set
dataset = dict(type="ads_det.VOCDataset", data_root="data/mine", serialize_data=False)
# all images: training, phases and scoring see their parts of it
pool = dict(**dataset, ann_file="ImageSets/Main/trainval.txt")
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    # 60 updates in each epoch of all cycles: schedules in epochs keep their meaning
    sampler=dict(type="ads_det.FixedLengthSampler", num_samples=960),
    dataset=dict(filter_cfg=dict(filter_empty_gt=True), pipeline=train_pipeline),
)
unlabeled_dataloader = dict(batch_size=16, num_workers=0, dataset=dict(pipeline=unlabeled_pipeline))
candidate_dataloader = dict(batch_size=32, num_workers=0, dataset=dict(pipeline=candidate_pipeline))
test_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        **dataset,
        ann_file="ImageSets/Main/test.txt",
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(
    type="ads_det.PerClassifierMetric",
    metric=dict(type="VOCMetric", metric="mAP", eval_mode="11points", iou_thrs=0.5),
)
test_cfg = dict(type="TestLoop")
del input_size, scale, meta, resize, color, dataset
del train_pipeline, unlabeled_pipeline, candidate_pipeline, test_pipeline
