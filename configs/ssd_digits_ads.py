# The embedded default: handwritten digits in cluttered scenes, drawn at first use.
_base_ = "./_base_/ssd_small_ads.py"

classes = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
dataset = dict(data_root="data/digits", metainfo=dict(classes=classes))
train_dataloader = dict(dataset=dataset)
test_dataloader = dict(dataset=dataset)
model = dict(bbox_head=dict(num_classes=len(classes)))
del dataset, classes
active_learning = dict(
    initial=50,
    budget=50,
    cycles=5,
    prepare=dict(type="ads_det.make_digits", root="data/digits", pool=1000, test=200, seed=0),
)
train_cfg = dict(max_epochs=20)
