# Baseline: plain SSD300 with SSD's own loss, softmax over the classes and background, which is what
# LL4AL and the literature after it train; images chosen at random. Against ssd300_voc_random.py it
# differs in the loss alone.
_base_ = "./ssd300_voc_random.py"

model = dict(bbox_head=dict(activation="softmax", prior=None))
