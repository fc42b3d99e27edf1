# The departures of the authors' published code from their paper, as far as they are choices
# (docs/reproduction.md has a table of all of them). All else as in resnet18_cifar10_ads.py.
_base_ = "./resnet18_cifar10_ads.py"

model = dict(classifier="prototype")
# A new SGD for each batch, at the initial rate for ever, with the decay of label training: without
# momentum SGD has no state, so this one is the same.
sgd = dict(optimizer=dict(type="SGD", lr=0.1, weight_decay=5e-4))
method = dict(
    normalize=True,
    base=2,
    n_power=2,
    agreement=sgd,
    discrepancy=sgd,
    freeze_statistics=False,
)
active_learning = dict(strategy=dict(type="ads_det.Entropy", normalize=True), warm_start=True)
# Label training comes twice before the first phases, so there is one epoch more.
train_cfg = dict(max_epochs=201)
param_scheduler = [
    dict(type="MultiStepLR", by_epoch=True, begin=0, end=201, milestones=[161], gamma=0.1)
]
del sgd
