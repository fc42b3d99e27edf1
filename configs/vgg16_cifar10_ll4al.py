# LL4AL (Yoo and Kweon, CVPR 2019) with VGG-16, whose five maps after a max-pool it reads.
_base_ = "./vgg16_cifar10_random.py"

method = dict(_delete_=True, type="ads_det.LL4AL", stop=0.6)
active_learning = dict(strategy=dict(_delete_=True, type="ads_det.LearnedLoss"))
