# The paper's main classification experiment (Tables 1 and 2, Fig. 5a): ResNet-18 on CIFAR-10,
# 1,000 labels and nine times 1,000 more, 2 to 20 % of the training images. Everything is in the
# base; docs/reproduction.md lists the rows of the tables as options of this config.
_base_ = "./_base_/cifar.py"
