# Baseline: plain SSD300 with SSD's own loss, images chosen at random; all else as with ADS.
_base_ = "./ssd300_voc_ads.py"

model = dict(
    bbox_head=dict(num_classifiers=1, activation="softmax"),
    test_cfg=dict(per_classifier=False),  # there is only f1
)
method = dict(_delete_=True, type="ads_det.Plain")
active_learning = dict(strategy=dict(_delete_=True, type="ads_det.Random"))
