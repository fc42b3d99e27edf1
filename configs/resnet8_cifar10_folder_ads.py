# CIFAR-10 as class folders (data/README.md) with a ResNet-8 of 16 channels: a cycle takes about a
# minute on one CPU core, so that all methods can be compared (docs/results.md). Each cycle begins
# anew and makes the same number of updates.
_base_ = "./resnet18_cifar10_folder_ads.py"

updates, batch = 1600, 64
model = dict(backbone=dict(depth=8, width=16))
train_dataloader = dict(batch_size=batch, sampler=dict(num_samples=updates // 20 * batch))
train_cfg = dict(max_epochs=20)
optim_wrapper = dict(
    _delete_=True,
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=updates // 20),
    dict(type="CosineAnnealingLR", by_epoch=True, T_max=20, convert_to_iter_based=True),
]
method = dict(interval=4, begin=4)
active_learning = dict(warm_start=False, subset=5000)
del updates, batch
