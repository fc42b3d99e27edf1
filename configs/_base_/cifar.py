# CIFAR as the paper and LL4AL (Yoo and Kweon, CVPR 2019) train on it. A config that inherits adds
# the number of classes and the budget. Images lie in memory as one array; batches are cropped,
# mirrored and normalised whole, on the model's device, so that no worker process is needed.
_base_ = "./runtime.py"

default_scope = "mmengine"
visualizer = dict(_delete_=True, type="Visualizer", vis_backends=[dict(type="LocalVisBackend")])
default_hooks = dict(checkpoint=dict(interval=20))
model = dict(
    type="ads_det.ADSClassifier",
    # mean and deviation: those of the 50,000 training images, whose pixels (not labels) are known
    data_preprocessor=dict(type="ads_det.BatchAugmentPreprocessor", crop_padding=4, flip=True),
    backbone=dict(type="ads_det.CIFARResNet", depth=18, width=64),
    num_classes=10,
    num_classifiers=2,
    classifier="linear",  # paper: one fully connected layer; "prototype" is the published code's
)
dataset = dict(type="ads_det.CIFARDataset", data_root="data/cifar", num_classes=10)
collate_fn = dict(type="ads_det.whole_batch")
pool = dict(**dataset, train=True)
train_dataloader = dict(
    batch_size=128,  # paper
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=collate_fn,
    dataset=dict(),
)
unlabeled_dataloader = dict(batch_size=128, num_workers=0, collate_fn=collate_fn)
candidate_dataloader = dict(batch_size=256, num_workers=0, collate_fn=collate_fn)
test_dataloader = dict(
    batch_size=256,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=collate_fn,
    dataset=dict(**dataset, train=False),
)
test_evaluator = dict(type="ads_det.AccuracyMetric")
test_cfg = dict(type="TestLoop")
# Paper: 200 epochs, learning rate 0.1, divided by 10 at 160, momentum 0.9, weight decay 5e-4.
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=200)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [
    dict(type="MultiStepLR", by_epoch=True, begin=0, end=200, milestones=[160], gamma=0.1)
]
# Paper (Alg. 1): both phases before every epoch but the first, over all of U.
method = dict(
    type="ads_det.ADS",
    interval=1,
    begin=1,
    positive_filter="none",  # every image shows its class
    weighting="calibration",
    entropy_of="mean",
    tau=0.1,
)
active_learning = dict(
    initial=1000,
    budget=1000,
    cycles=10,
    # a random subset of the pool: U of the phases and candidates of the cycle, drawn in each cycle
    subset=10000,
    strategy=dict(type="ads_det.Entropy"),
    metric="accuracy",
    prepare=dict(type="ads_det.download_cifar", data_root="data/cifar", num_classes=10),
)
del dataset, collate_fn
