# COCO with the budgets of MI-AOD (CVPR 2021) and PPAL (CVPR 2024): 2 % of train2017, then four times
# 2 % more; AP, AP50 and AP75 on val2017 after each cycle. ADS was published with SSD on VOC only:
# what the paper says of the phases is kept, the rest is mmdet's for detectors with ResNet-50.
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=12)
# mmdet's rate for batches of 16
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=35),
)
auto_scale_lr = dict(enable=False, base_batch_size=16)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type="MultiStepLR", by_epoch=True, begin=0, end=12, milestones=[8, 11], gamma=0.1),
]

meta = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
load = dict(type="LoadImageFromFile")
annotations = dict(type="LoadAnnotations", with_bbox=True)
resize = dict(type="Resize", scale=(1333, 800), keep_ratio=True)
flip = dict(type="RandomFlip", prob=0.5)
pack = dict(type="PackDetInputs", meta_keys=meta)
dataset = dict(type="ads_det.CocoDataset", data_root="data/coco/")
pool = dict(
    **dataset,
    ann_file="annotations/instances_train2017.json",
    data_prefix=dict(img="train2017/"),
)
loader = dict(batch_size=16, num_workers=2, persistent_workers=False)
train_dataloader = dict(
    **loader,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=[load, annotations, resize, flip, dict(type="PackDetInputs")],
    ),
)
# no colour changes and no crop: mmdet's RetinaNet has none
unlabeled_dataloader = dict(**loader, dataset=dict(pipeline=[load, resize, flip, pack]))
# Images are padded to the largest of their batch, and a padded image has more anchors: one at a
# time, a score is the image's alone.
candidate_dataloader = dict(
    **dict(loader, batch_size=1), dataset=dict(pipeline=[load, resize, pack])
)
test_dataloader = dict(
    **loader,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        **dataset,
        ann_file="annotations/instances_val2017.json",
        data_prefix=dict(img="val2017/"),
        test_mode=True,
        pipeline=[load, resize, annotations, pack],
    ),
)
test_evaluator = dict(
    type="ads_det.PerClassifierMetric",
    metric=dict(
        type="CocoMetric",
        metric="bbox",
        ann_file="data/coco/annotations/instances_val2017.json",
    ),
)
test_cfg = dict(type="TestLoop")

method = dict(
    type="ads_det.ADS",
    # one ADS epoch in five label epochs, the share of the paper (30 of 150)
    interval=5,
    begin=1,
    images_per_epoch=1.0,  # as in ssd300_voc_ads.py
    positive_filter="predicted",
)
active_learning = dict(
    initial=2366,  # 2 % of 118,287 images
    budget=2366,
    cycles=5,
    strategy=dict(type="ads_det.Entropy", topk=1000, reduction="mean"),  # paper
    metric="coco/bbox_mAP",
)
del meta, load, annotations, resize, flip, pack, dataset, loader
