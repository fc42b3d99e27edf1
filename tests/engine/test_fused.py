import pytest
import torch
from mmengine.optim import OptimWrapper

from ads_det.engine.fused import fuse


def parameters():
    return [torch.nn.Parameter(torch.tensor([1.0, -2.0])), torch.nn.Parameter(torch.ones(2, 3))]


def trained(optimizer, params):
    for step in range(5):
        optimizer.zero_grad()
        sum((p * p).sum() * (step + 1) for p in params).backward()
        optimizer.step()
    return params


def test_adamw_runs_fused_to_the_same_weights_but_for_rounding():
    plain, own = parameters(), parameters()
    wrapper = fuse(OptimWrapper(torch.optim.AdamW(own, lr=0.1, weight_decay=0.05)))
    assert wrapper.optimizer.param_groups[0]["fused"] is True
    trained(torch.optim.AdamW(plain, lr=0.1, weight_decay=0.05), plain)
    for a, b in zip(plain, trained(wrapper.optimizer, own)):
        assert torch.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("asked", [dict(foreach=True), dict(fused=False), dict(foreach=False)])
def test_what_the_config_says_holds(asked):
    optimizer = torch.optim.AdamW(parameters(), **asked)
    before = dict(optimizer.param_groups[0])
    fuse(OptimWrapper(optimizer))
    after = optimizer.param_groups[0]
    assert all(after[key] == before[key] for key in ("fused", "foreach"))


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.RAdam])
def test_other_optimisers_are_left_alone(kind):
    optimizer = kind(parameters(), lr=0.1)
    fuse(OptimWrapper(optimizer))
    assert not optimizer.param_groups[0].get("fused")


def test_parameters_in_double_precision_are_left_alone():
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(2, dtype=torch.float64))])
    assert fuse(OptimWrapper(optimizer)).optimizer.param_groups[0]["fused"] is None
