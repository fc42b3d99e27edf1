# The embedded default of classification: a small ResNet on the 8x8 handwritten digits that
# scikit-learn ships. No file, no download; the whole loop takes about a minute on two cores.
_base_ = "./resnet18_cifar10_ads.py"

dataset = dict(_delete_=True, type="ads_det.DigitsDataset")
model = dict(
    # digits have no mirror images
    data_preprocessor=dict(crop_padding=1, flip=False),
    backbone=dict(depth=8, width=16),
)
pool = dict(**dataset, train=True)
train_dataloader = dict(batch_size=32)
unlabeled_dataloader = dict(batch_size=64)
test_dataloader = dict(dataset=dict(**dataset, train=False))
train_cfg = dict(max_epochs=30)
param_scheduler = [
    dict(type="MultiStepLR", by_epoch=True, begin=0, end=30, milestones=[24], gamma=0.1)
]
active_learning = dict(initial=30, budget=30, cycles=5, subset=500, prepare=None)
del dataset
