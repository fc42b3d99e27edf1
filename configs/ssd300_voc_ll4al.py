# LL4AL (Yoo and Kweon, CVPR 2019): plain SSD300 with a loss predictor, images chosen by what it
# predicts; the whole pool is scored, as in its paper.
_base_ = "./ssd300_voc_random.py"

method = dict(
    _delete_=True,
    type="ads_det.LL4AL",
    taps=[
        "backbone.features.22",  # conv4_3, before the neck normalises it
        "backbone.features.34",  # fc7
        "neck.extra_layers.0",
        "neck.extra_layers.1",
        "neck.extra_layers.2",
        "neck.extra_layers.3",
    ],
    # Its gradient ends at the maps after 240 of 300 epochs, which is 120 of 150 here.
    stop=0.8,
    # An image's loss is divided by its positives. The public code does not divide: "sum".
    target="mean",
)
active_learning = dict(strategy=dict(_delete_=True, type="ads_det.LearnedLoss"))
