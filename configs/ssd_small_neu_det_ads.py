# Steel surface defects (NEU-DET, see data/README.md): 1,440 training and 360 test images.
_base_ = "./_base_/ssd_small_ads.py"

classes = ("crazing", "inclusion", "patches", "pitted_surface", "rolled-in_scale", "scratches")
dataset = dict(data_root="data/neu_det", metainfo=dict(classes=classes))
pool = dataset
test_dataloader = dict(dataset=dataset)
model = dict(bbox_head=dict(num_classes=len(classes)))
del dataset, classes
active_learning = dict(initial=120, budget=200, cycles=4)
