# The paper's CIFAR-100 experiment (Fig. 5c): ResNet-18, 5,000 labels and six times 2,500 more,
# 10 to 40 % of the training images.
_base_ = "./resnet18_cifar10_ads.py"

dataset = dict(num_classes=100)
model = dict(num_classes=100)
pool = dataset
test_dataloader = dict(dataset=dataset)
active_learning = dict(initial=5000, budget=2500, cycles=7, prepare=dict(num_classes=100))
del dataset
