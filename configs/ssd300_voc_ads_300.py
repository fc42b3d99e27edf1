# As ssd300_voc_ads.py with LL4AL's 300 label epochs: 9,600 updates in cycle 0 instead of 4,800. The
# paper's 150 epochs are half of what the 51 to 52.4 mAP at 1,000 images were reached with in the
# literature; docs/game.md has the cost of both. The 30 ADS epochs lie evenly.
_base_ = "./ssd300_voc_ads.py"

train_cfg = dict(max_epochs=300)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=300),
    dict(type="MultiStepLR", by_epoch=True, begin=0, end=300, milestones=[240], gamma=0.1),
]
method = dict(interval=10)
