# RetinaNet with ResNet-50 as mmdet publishes it for COCO, for `load_from` its checkpoint.
_base_ = ["./pretrained_project.py", "./retinanet_r50.py"]

model = dict(
    backbone=dict(init_cfg=None),  # the checkpoint has them
    bbox_head=dict(num_classifiers=1),
    test_cfg=dict(per_classifier=False),
)
