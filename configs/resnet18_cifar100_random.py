# Baseline: plain training with one classifier, images chosen at random; all else as with ADS.
_base_ = "./resnet18_cifar100_ads.py"

model = dict(num_classifiers=1)
method = dict(_delete_=True, type="ads_det.Plain")
active_learning = dict(strategy=dict(_delete_=True, type="ads_det.Random"))
