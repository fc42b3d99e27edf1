# LL4AL (Yoo and Kweon, CVPR 2019): plain training with a loss predictor, images chosen by what it
# predicts. Its gradient ends at the features after 120 of the 200 epochs, as in its paper.
_base_ = "./resnet18_cifar100_random.py"

method = dict(_delete_=True, type="ads_det.LL4AL", stop=0.6)
active_learning = dict(strategy=dict(_delete_=True, type="ads_det.LearnedLoss"))
