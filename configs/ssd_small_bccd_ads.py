# Blood cells (BCCD, see data/README.md): 292 training and 72 test images.
_base_ = "./_base_/ssd_small_ads.py"

classes = ("Platelets", "RBC", "WBC")
dataset = dict(data_root="data/bccd", metainfo=dict(classes=classes))
pool = dataset
test_dataloader = dict(dataset=dataset)
model = dict(bbox_head=dict(num_classes=len(classes)))
del dataset, classes
active_learning = dict(initial=40, budget=40, cycles=4)
