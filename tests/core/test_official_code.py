"""The arguments of the `official-code` preset against formulas written out number by number."""

import math

import pytest
import torch

from ads_det.active.strategies import Entropy
from ads_det.core.calibration import phase_weights
from ads_det.core.criterion import ADSCriterion
from ads_det.core.entropy import EntropyRule, entropy, entropy_bound, mean_entropy
from ads_det.core.outputs import Outputs

N, C, TAU = 6, 10, 0.1
RULE = EntropyRule(normalize=True, base=2)


def bits(y):
    """Entropy in bits of probabilities divided by their sum."""
    total = sum(y)
    return -sum(p / total * math.log2(p / total) for p in y if p > 0)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.fixture
def pair():
    g = torch.Generator().manual_seed(0)
    return torch.rand(N, C, generator=g), torch.rand(N, C, generator=g)


@pytest.fixture
def rows(pair):
    return list(zip(*(y.tolist() for y in pair), strict=True))


def test_entropy_in_bits_of_normalised_probabilities(pair):
    expected = [bits(y) for y in pair[0].tolist()]
    assert entropy(pair[0], RULE).tolist() == pytest.approx(expected, rel=1e-5)
    uniform = torch.full((C,), 0.03)
    assert entropy(uniform, RULE).item() == pytest.approx(math.log2(C))
    assert entropy(torch.tensor([0.5, 0.5]), EntropyRule(base=2)).item() == pytest.approx(1)


def test_no_probability_at_all_has_no_entropy():
    zeros = torch.zeros(1, C, requires_grad=True)
    assert entropy(zeros, EntropyRule(normalize=True)).item() == 0


def test_mean_of_the_two_entropies_scores_and_ranks(pair, rows):
    expected = [(bits(a) + bits(b)) / 2 for a, b in rows]
    mean = mean_entropy(pair, RULE)
    assert mean.tolist() == pytest.approx(expected, rel=1e-5)
    # selection measures in nats: the base changes no order, the normalisation may
    score = Entropy(normalize=True).measure(Outputs(pair))
    torch.testing.assert_close(score, mean * math.log(2))
    assert torch.equal(score.argsort(), mean.argsort())


def test_both_losses_with_both_weights(pair, rows):
    """Weights of Eq. 4 and 7 hold 1 / n, and the published code takes a batch mean of them."""
    agreement = discrepancy = 0.0
    for a, b in rows:
        e = (bits(a) + bits(b)) / 2
        gap = sum(abs(p - q) for p, q in zip(a, b, strict=True)) / C
        agreement += (1 - sigmoid(e - TAU)) / N * gap / N
        discrepancy += sigmoid(e - TAU) / N * (1 - gap) / N
    criterion = ADSCriterion(rule=RULE, n_power=2)
    assert criterion.agreement(*pair).loss.item() == pytest.approx(agreement, rel=1e-5)
    assert criterion.discrepancy(*pair).loss.item() == pytest.approx(discrepancy, rel=1e-5)


def test_dividing_twice_only_scales(pair):
    once, twice = (ADSCriterion(n_power=p).agreement(*pair).loss for p in (1, 2))
    assert twice.item() == pytest.approx(once.item() / N)


def test_weights_stay_detached(pair):
    y1 = pair[0].clone().requires_grad_()
    criterion = ADSCriterion(rule=RULE, n_power=2)
    criterion.agreement(y1, pair[1]).loss.backward()
    e = (entropy(pair[0], RULE) + entropy(pair[1], RULE)) / 2
    weight = (1 - torch.sigmoid(e - TAU)) / N**2
    torch.testing.assert_close(y1.grad, weight[:, None] * (pair[0] - pair[1]).sign() / C)


@pytest.mark.parametrize(("normalize", "base"), [(False, math.e), (True, 2), (True, math.e)])
def test_the_entropy_weight_reaches_one_at_the_largest_entropy(normalize, base):
    y = torch.full((1, C), 1 / C if normalize else 1 / math.e)
    rule = EntropyRule(normalize=normalize, base=base)
    e = entropy(y, rule)
    bound = entropy_bound(C, rule)
    assert e.item() == pytest.approx(bound, rel=1e-5)
    w_a, w_d = phase_weights(e, 1, bound, "entropy")
    assert w_d.item() == pytest.approx(1, rel=1e-5) and w_a.item() == pytest.approx(0, abs=1e-5)
