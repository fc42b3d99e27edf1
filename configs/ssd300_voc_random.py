# Baseline: plain SSD300 with one sigmoid classifier, images chosen at random; all else as with ADS.
# ssd300_voc_softmax.py is the same with SSD's own loss.
_base_ = "./ssd300_voc_ads.py"

model = dict(
    bbox_head=dict(num_classifiers=1),
    test_cfg=dict(per_classifier=False),  # there is only f1
)
method = dict(_delete_=True, type="ads_det.Plain")
active_learning = dict(strategy=dict(_delete_=True, type="ads_det.Random"))
