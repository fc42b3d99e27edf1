# Baseline: plain SSD300, images chosen by the entropy of its one sigmoid classifier.
_base_ = "./ssd300_voc_random.py"

active_learning = dict(
    strategy=dict(_delete_=True, type="ads_det.Entropy", topk=1000, reduction="mean")
)
