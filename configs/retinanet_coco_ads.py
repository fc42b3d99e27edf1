# RetinaNet on COCO, 2 % of the labels and four times 2 % more.
_base_ = ["./_base_/runtime.py", "./_base_/retinanet_r50.py", "./_base_/coco_2_percent.py"]
