# CIFAR-10 as class folders (data/README.md) in the size of a CPU: ResNet-18 with 16 instead of 64
# channels, 1,250 label updates a cycle, each cycle going on from the weights of the one before.
# docs/reproduction.md reports it. The pattern for any data set of class folders: name folders,
# classes, size.
_base_ = "./resnet18_cifar10_ads.py"

dataset = dict(_delete_=True, type="ads_det.ClassFolderDataset", size=32)
model = dict(backbone=dict(width=16))
pool = dict(**dataset, data_root="data/cifar10/train")
train_dataloader = dict(
    batch_size=16,
    # as many updates in the first cycle as in the last
    sampler=dict(_delete_=True, type="ads_det.FixedLengthSampler", num_samples=2000),
)
unlabeled_dataloader = dict(batch_size=64)
test_dataloader = dict(dataset=dict(**dataset, data_root="data/cifar10/test"))
train_cfg = dict(max_epochs=10)
optim_wrapper = dict(type="ads_det.Bfloat16OptimWrapper", optimizer=dict(lr=0.01))
param_scheduler = [
    dict(type="MultiStepLR", by_epoch=True, begin=0, end=10, milestones=[8], gamma=0.1)
]
method = dict(interval=2)
active_learning = dict(
    initial=1000, budget=1000, cycles=5, subset=2000, warm_start=True, prepare=None
)
del dataset
