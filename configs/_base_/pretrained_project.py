# What detectors that begin with COCO's weights share in a project for labelling: input of 640 px,
# a short training with small steps, each cycle going on from the weights of the one before. Chosen
# by mmdet's settings for RTMDet and by what fits a batch of 8; not measured (no GPU was there).
_base_ = "./runtime.py"

size = (640, 640)
meta = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
load = dict(type="LoadImageFromFile")
annotations = dict(type="LoadAnnotations", with_bbox=True)
resize = dict(type="Resize", scale=size, keep_ratio=True)
pad = dict(type="Pad", size=size, pad_val=dict(img=(114, 114, 114)))
flip = dict(type="RandomFlip", prob=0.5)
pack = dict(type="PackDetInputs", meta_keys=meta)
train_pipeline = [
    load,
    annotations,
    dict(type="RandomResize", scale=size, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="RandomCrop", crop_size=size),
    dict(type="YOLOXHSVRandomAug"),
    flip,
    pad,
    dict(type="PackDetInputs"),
]
dataset = dict(type="ads_det.VOCDataset", data_root="data/mine", serialize_data=False)
pool = dict(**dataset, ann_file="ImageSets/Main/trainval.txt")
loader = dict(batch_size=8, num_workers=2)
train_dataloader = dict(
    **loader,
    sampler=dict(type="ads_det.FixedLengthSampler", num_samples=960),  # 120 updates an epoch
    dataset=dict(filter_cfg=dict(filter_empty_gt=True), pipeline=train_pipeline),
)
unlabeled_dataloader = dict(**loader, dataset=dict(pipeline=[load, resize, flip, pad, pack]))
candidate_dataloader = dict(**loader, dataset=dict(pipeline=[load, resize, pad, pack]))
test_dataloader = dict(
    **loader,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        **dataset,
        ann_file="ImageSets/Main/test.txt",
        test_mode=True,
        pipeline=[load, resize, pad, annotations, pack],
    ),
)
test_evaluator = dict(
    type="ads_det.PerClassifierMetric",
    metric=dict(type="VOCMetric", metric="mAP", eval_mode="11points", iou_thrs=0.5),
)
test_cfg = dict(type="TestLoop")
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=20)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=2e-4, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, bypass_duplicate=True),
    clip_grad=dict(max_norm=35),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=True, T_max=20, convert_to_iter_based=True),
]
custom_hooks = [
    dict(
        type="EMAHook",
        ema_type="ExpMomentumEMA",
        momentum=0.002,
        update_buffers=True,
        priority=49,
    )
]
method = dict(type="ads_det.Plain")
active_learning = dict(
    initial=100,
    budget=100,
    cycles=5,
    strategy=dict(type="ads_det.ClassBalancedEntropy", topk=20, reduction="mean"),
    metric="pascal_voc/mAP",
    warm_start=True,
)
del size, meta, load, annotations, resize, pad, flip, pack, train_pipeline, dataset, loader
