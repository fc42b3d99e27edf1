# CIFAR-10 as class folders in the size of a comparison on a CPU (docs/results.md): 16 px, ResNet-8
# with 8 channels, 2,400 label updates in every cycle, with which twice as many gain less than a
# point. Images are read at 16 px; data/README.md says how to get the folders.
_base_ = "./resnet18_cifar10_ads.py"

dataset = dict(_delete_=True, type="ads_det.ClassFolderDataset", size=16)
model = dict(data_preprocessor=dict(crop_padding=2), backbone=dict(depth=8, width=8))
pool = dict(**dataset, data_root="data/cifar10/train")
train_dataloader = dict(
    # as many updates in the first cycle as in the last: 24 an epoch
    sampler=dict(_delete_=True, type="ads_det.FixedLengthSampler", num_samples=3072),
)
test_dataloader = dict(dataset=dict(**dataset, data_root="data/cifar10/test"))
train_cfg = dict(max_epochs=100)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=40),
    dict(type="ads_det.LateCosineLR", by_epoch=True, share=0.5, convert_to_iter_based=True),
]
# 15 epochs of both phases over 10,000 images: 2,370 updates
method = dict(interval=6, begin=10)
active_learning = dict(initial=1000, budget=2000, cycles=2, prepare=None)
del dataset
