# RetinaNet on PASCAL VOC 2007+2012 with the budgets of MI-AOD (CVPR 2021) and PPAL (CVPR 2024): 5 %
# of trainval, then six times 2.5 % more, 26 epochs a cycle. Pool, test set and phases are those of
# the paper's SSD300; sizes, augmentation and optimiser are mmdet's for RetinaNet on VOC.
_base_ = [
    "./_base_/runtime.py",
    "./_base_/retinanet_r50.py",
    "./_base_/coco_2_percent.py",
]

model = dict(bbox_head=dict(num_classes=20))
train_cfg = dict(max_epochs=26)
param_scheduler = [
    dict(
        type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=100
    ),  # 52 iterations an epoch in cycle 0
    dict(type="MultiStepLR", by_epoch=True, begin=0, end=26, milestones=[20], gamma=0.1),
]

meta = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
load = dict(type="LoadImageFromFile")
annotations = dict(type="LoadAnnotations", with_bbox=True)
resize = dict(type="Resize", scale=(1000, 600), keep_ratio=True)
flip = dict(type="RandomFlip", prob=0.5)
pack = dict(type="PackDetInputs", meta_keys=meta)
dataset = dict(type="ads_det.VOCDataset", data_root="data/VOCdevkit/")
pool = dict(
    _delete_=True,
    **dataset,
    ann_file=["VOC2007/ImageSets/Main/trainval.txt", "VOC2012/ImageSets/Main/trainval.txt"],
)
train_dataloader = dict(
    dataset=dict(pipeline=[load, annotations, resize, flip, dict(type="PackDetInputs")])
)
unlabeled_dataloader = dict(dataset=dict(pipeline=[load, resize, flip, pack]))
candidate_dataloader = dict(dataset=dict(pipeline=[load, resize, pack]))
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        **dataset,
        ann_file="VOC2007/ImageSets/Main/test.txt",
        test_mode=True,
        pipeline=[load, resize, annotations, pack],
    ),
)
test_evaluator = dict(
    metric=dict(_delete_=True, type="VOCMetric", metric="mAP", eval_mode="11points", iou_thrs=0.5)
)
active_learning = dict(
    initial=827,  # 5 % of 16,551 images
    budget=414,  # 2.5 %
    cycles=7,
    metric="pascal_voc/mAP",
)
del meta, load, annotations, resize, flip, pack, dataset
