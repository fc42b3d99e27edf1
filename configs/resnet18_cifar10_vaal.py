# Baseline: plain training, images chosen by VAAL as published for 32 px.
# --cfg-options active_learning.strategy.type=ads_det.SRAAL is SRAAL as published.
_base_ = "./resnet18_cifar10_random.py"

active_learning = dict(strategy=dict(_delete_=True, type="ads_det.VAAL"))
