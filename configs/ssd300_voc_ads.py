# The paper's detection experiment: SSD300 on PASCAL VOC 2007+2012, ten cycles of 1,000 images.
# "Paper" marks what it states. For the rest it follows LL4AL (Yoo and Kweon, CVPR 2019), whose
# values stand here where they are known; the other comments name a source and a reason.
_base_ = ["./_base_/runtime.py", "./_base_/ssd300_voc.py"]

# Paper: 150 epochs on labelled images.
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=150)
# LL4AL: this learning rate belongs to batches of 32. mmdet pairs it with 64 (8 GPUs x 8), but
# 1,000 images would then give 16 updates an epoch.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=1e-3, momentum=0.9, weight_decay=5e-4),
    # Ours: before the classifiers had a prior, the BCE of two became NaN at this rate from random
    # weights. Whether clipping is still needed with it has not been tried.
    clip_grad=dict(max_norm=10),
)
# `auto_scale_lr.enable=True` scales the rate to other batch sizes and numbers of processes.
auto_scale_lr = dict(enable=False, base_batch_size=32)
param_scheduler = [
    # FreeSel's SSD300 config for active learning; mmdet's 500 iterations would be 16 of the 150
    # epochs in cycle 0, where 1,000 images give 32 iterations an epoch.
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=300),
    # LL4AL divides by 10 at 80 % of its epochs (240 of 300), which is 120 of 150.
    dict(type="MultiStepLR", by_epoch=True, begin=0, end=150, milestones=[120], gamma=0.1),
]
method = dict(
    type="ads_det.ADS",
    # Paper: 30 ADS epochs, the first after one label epoch (Alg. 1). How they lie among the 150 it
    # does not say: evenly, before epochs 1, 6, ..., 146, each with both phases. The phases share
    # the optimiser's settings and follow its learning rate.
    interval=5,
    begin=1,
    epochs=30,
    # As many unlabelled images a phase as there are labelled ones, drawn anew each time. The paper
    # does not say; MI-AOD, by the same authors among others, does so, and a phase then costs about
    # what a label epoch costs. None walks the whole pool.
    images_per_epoch=1.0,
    # Paper: "positive images only". Taken literally that is "oracle", which reads labels of the
    # pool; "predicted" asks the current model instead.
    positive_filter="predicted",
    weighting="calibration",  # paper, Eq. 4 and 7
    entropy_of="mean",  # paper, Eq. 3
    tau=0.1,  # paper
)
active_learning = dict(
    # Paper: 1,000 images, then nine times 1,000 more. All others are candidates, as it seems that
    # LL4AL has them; `subset` would draw some.
    initial=1000,
    budget=1000,
    cycles=10,
    # Paper: the 1,000 largest of the 8,732 anchors' entropies. How they become one number it does
    # not say; the mean uses them all and ranks like the sum.
    strategy=dict(type="ads_det.Entropy", topk=1000, reduction="mean"),
    metric="pascal_voc/mAP",
)
