"""mmdet's ResNet with a cheaper stem."""

import pytest
import torch
from mmdet.models.backbones import ResNet as MMDetResNet
from torch import nn

from ads_det.models import ResNet


def gradients(model, images):
    model.zero_grad()
    maps = model(images)
    sum(level.square().mean() for level in maps).backward()
    return [*maps, *(p.grad for p in model.parameters())]


@pytest.mark.parametrize("deep_stem", [False, True])
def test_values_and_gradients_are_those_of_mmdet(deep_stem):
    args = dict(depth=18, base_channels=8, norm_eval=False, deep_stem=deep_stem)
    theirs, ours = MMDetResNet(**args), ResNet(**args)
    assert isinstance(ours.maxpool, nn.Sequential) == (not deep_stem)
    assert theirs.state_dict().keys() == ours.state_dict().keys()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for a, b in zip(gradients(theirs, images), gradients(ours, images), strict=True):
        assert torch.equal(a, b)
