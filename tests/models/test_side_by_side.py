import copy

import pytest
import torch
from helpers import build_detector
from torch import nn

from ads_det.models.side_by_side import side_by_side


def layers(kernel=3):
    torch.manual_seed(0)
    one = nn.ModuleList([nn.Sequential(nn.Conv2d(4, 6, 3, padding=1)), nn.Conv2d(8, 2, 1)])
    other = nn.ModuleList(
        [nn.Conv2d(4, 3, kernel, padding=kernel // 2), nn.Sequential(nn.Conv2d(8, 5, 1))]
    )
    return one, other


FEATURES = [torch.randn(2, 4, 5, 6), torch.randn(2, 8, 3, 3)]


@pytest.mark.parametrize("kernel", [3, 1])  # kernels of two sizes cannot be stacked
def test_the_same_values_and_gradients_as_one_after_the_other(kernel):
    stacked = layers(kernel)
    each = copy.deepcopy(stacked)
    found = side_by_side(stacked, FEATURES)
    expected = [[conv(x) for conv, x in zip(layer, FEATURES)] for layer in each]
    for ours, theirs in zip(found, expected, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert torch.allclose(a, b, atol=1e-6)
    for result in (found, expected):
        sum(level.square().sum() for levels in result for level in levels).backward()
    for layer, reference in zip(stacked, each):
        for a, b in zip(layer.parameters(), reference.parameters(), strict=True):
            assert torch.allclose(a.grad, b.grad, atol=1e-4)


def test_one_convolution_a_level_runs_for_all_of_a_detectors(monkeypatch):
    head = build_detector().bbox_head
    calls = []
    original = nn.Conv2d._conv_forward
    monkeypatch.setattr(
        nn.Conv2d, "_conv_forward", lambda *a: (calls.append(len(a[2])), original(*a))[1]
    )
    levels = list(zip(head.cls_convs, head.cls_convs2, head.reg_convs))
    x = [torch.randn(2, one[0].in_channels, 4, 4) for one, _, _ in levels]
    scores, deltas = head(x)
    assert calls == [sum(len(layer[-1].bias) for layer in level) for level in levels]
    assert [len(level[0]) for level in (scores[0], scores[1], deltas)] == [2, 2, 2]


@pytest.mark.parametrize(
    "watch",
    [
        lambda layer, seen: layer[0].register_forward_hook(seen),
        lambda layer, seen: layer.register_forward_pre_hook(lambda *a: seen(*a)),
        lambda layer, seen: layer[0].register_full_backward_hook(lambda *a: seen(*a)),
        lambda layer, seen: setattr(
            layer[0],
            "forward",
            lambda x: (seen(), layer[0]._conv_forward(x, layer[0].weight, layer[0].bias))[1],
        ),
    ],
)
def test_a_layer_that_somebody_watches_runs_by_itself(watch):
    one, other = layers()
    seen = []
    watch(one[0], lambda *a: seen.append(1))
    found = side_by_side((one, other), [x.requires_grad_() for x in FEATURES])
    sum(level.sum() for levels in found for level in levels).backward()
    assert seen == [1]
