# Baseline: plain training with one classifier, images chosen at random; all else as with ADS.
_base_ = "./vgg16_cifar10_ads.py"

model = dict(num_classifiers=1)
ads = None
active_learning = dict(strategy=dict(type="ads_det.Random"))
