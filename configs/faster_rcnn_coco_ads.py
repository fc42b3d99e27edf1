# Faster R-CNN on COCO, 2 % of the labels and four times 2 % more. The 1,000 proposals of an image
# are the anchors of the two classifiers.
_base_ = ["./_base_/runtime.py", "./_base_/faster_rcnn_r50.py", "./_base_/coco_2_percent.py"]

optim_wrapper = dict(optimizer=dict(lr=0.02))  # mmdet's rate for Faster R-CNN and batches of 16
# ours: the mean over the 100 largest of 1,000 proposals' entropies; most see background
active_learning = dict(strategy=dict(topk=100))
