# Baseline: plain training, images chosen by the entropy of the one classifier.
_base_ = "./resnet18_cifar10_random.py"

active_learning = dict(strategy=dict(_delete_=True, type="ads_det.Entropy"))
