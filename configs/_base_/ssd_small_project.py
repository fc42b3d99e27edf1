# A small SSD for own data, what tools/init_project.py inherits from: plain training, long enough to
# learn something, since every comparison of docs/history.md was won by more label updates and none
# by the phases. 2,400 updates a cycle, each cycle going on from the weights of the one before.
_base_ = "./ssd_small_ads.py"

method = dict(_delete_=True, type="ads_det.Plain")
model = dict(bbox_head=dict(num_classifiers=1), test_cfg=dict(per_classifier=False))
active_learning = dict(warm_start=True)
