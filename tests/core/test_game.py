"""Normalisation over anchors, gate, bootstrap: against numbers worked out by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from ads_det.core.criterion import ADSCriterion
from ads_det.core.diversity import bootstrap_weights, separate_samples
from ads_det.core.normalization import (
    anchor_confidence,
    anchor_shares,
    foreground_shares,
    normalized_sum,
    positive_shares,
)
from ads_det.core.teacher import agreement_gate, soft_cross_entropy, teaching_loss


@pytest.fixture
def pair():
    """One image, two anchors, two classes: an object and empty background."""
    y1 = torch.tensor([[[0.9, 0.1], [0.02, 0.00]]], dtype=torch.float64)
    y2 = torch.tensor([[[0.5, 0.1], [0.00, 0.02]]], dtype=torch.float64)
    return y1, y2


def test_confidence_and_shares_by_hand(pair):
    confidence = anchor_confidence(*(y.requires_grad_() for y in pair))
    assert confidence.tolist() == [pytest.approx([0.7, 0.01])]
    assert not confidence.requires_grad
    shares, total = foreground_shares(confidence)
    assert shares is confidence and total.item() == pytest.approx(0.71)
    shares, total = positive_shares(confidence, 0.3)
    assert (shares.tolist(), total.item()) == ([[1, 1]], 1)
    assert normalized_sum(torch.tensor([2.0, 4.0]), torch.tensor([1.0, 0.5]), 8).item() == 0.5
    assert normalized_sum(torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(())).item() == 0
    assert normalized_sum(torch.ones(3), *positive_shares(torch.zeros(3), 0.3)).item() == 0


def weight(y1, y2, tau=0.1):
    """w_a of Eq. 4 with n = 1, number by number."""
    entropy = -sum(p * math.log(p) for y in (y1, y2) for p in y if p) / 2
    return 1 - 1 / (1 + math.exp(tau - entropy))


@pytest.mark.parametrize(
    ("name", "shares", "total"), [("foreground", (0.7, 0.01), 0.71), ("positives", (1, 1), 1)]
)
def test_phase_losses_by_hand(pair, name, shares, total):
    """A sum over classes and anchors, divided by what the normalisation says, not by anchors."""
    rows = list(zip(*(y[0].tolist() for y in pair), strict=True))
    gaps = [sum(abs(a - b) for a, b in zip(y1, y2, strict=True)) for y1, y2 in rows]
    wa = [weight(*row) for row in rows]
    agreement = sum(m * w * g for m, w, g in zip(shares, wa, gaps, strict=True)) / total
    apart = [m * (1 - w) * (2 - g) for m, w, g in zip(shares, wa, gaps, strict=True)]
    criterion = ADSCriterion(normalization=name)
    confidence = anchor_confidence(*pair)
    assert criterion.total(confidence).item() == pytest.approx(total)
    found = criterion.agreement(*pair, confidence=confidence)
    assert found.loss.item() == pytest.approx(agreement, rel=1e-6)
    found = criterion.discrepancy(*pair, confidence=confidence)
    assert found.loss.item() == pytest.approx(sum(apart) / total, rel=1e-6)
    assert found.discrepancies.tolist() == [pytest.approx([0.2, 0.02])]
    # another process has as much again: both divide by the mean of both totals
    half = criterion.agreement(*pair, confidence=confidence, total=torch.tensor(2 * total))
    assert half.loss.item() == pytest.approx(agreement / 2, rel=1e-6)


def test_foreground_is_not_drowned_by_empty_anchors(pair):
    """A hundred more empty anchors: the mean shrinks with their number, the others do not."""
    empty = torch.full((1, 100, 2), 1e-6, dtype=torch.float64)
    more = tuple(torch.cat([y, empty], dim=1) for y in pair)

    def ratio(name):
        losses = [
            ADSCriterion(normalization=name).agreement(*p, confidence=anchor_confidence(*p)).loss
            for p in (more, pair)
        ]
        return (losses[0] / losses[1]).item()

    assert ratio("mean") == pytest.approx(2 / 102, rel=1e-3)
    assert ratio("foreground") == pytest.approx(1, rel=1e-3)
    assert ratio("positives") == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(dict(normalization="sum"), "normalization is 'sum'"), (dict(n_power=2), "n_power is 2")],
)
def test_arguments_without_meaning(arguments, message):
    with pytest.raises(ValueError, match=message):
        ADSCriterion(**dict(normalization="foreground") | arguments)


def test_an_unknown_normalisation_and_a_missing_confidence(pair):
    with pytest.raises(ValueError, match="normalization is 'x'"):
        anchor_shares(torch.ones(1), "x", 0.3)
    with pytest.raises(ValueError, match="needs the confidence"):
        ADSCriterion(normalization="foreground").agreement(*pair)


def test_gate_and_teaching_loss_by_hand(pair):
    assert agreement_gate(*pair, 0.1).tolist() == [[0, 1]]
    assert agreement_gate(*pair, 0.4000001).tolist() == [[1, 1]]
    assert agreement_gate(*pair, None).tolist() == [[1, 1]]
    y, target = torch.tensor([[[0.5, 0.25]]]), torch.tensor([[[1.0, 0.5]]])
    cross = math.log(2) - (math.log(0.25) + math.log(0.75)) / 2
    assert soft_cross_entropy(y, target).item() == pytest.approx(cross, rel=1e-5)
    theirs = F.binary_cross_entropy(y, target, reduction="none").sum(dim=-1)
    assert torch.allclose(soft_cross_entropy(y, target), theirs)
    members = [y.expand(1, 2, 2), target.expand(1, 2, 2)]
    # the target by itself: no loss for its sure class, ln 2 for the other
    mean = (cross + math.log(2)) / 2
    loss = teaching_loss(
        members, members[1], torch.tensor([[1.0, 0.0]]), torch.tensor([[0.2, 0.6]])
    )
    assert loss.item() == pytest.approx(mean * 0.2 / 0.8, rel=1e-4)


def test_bootstrap_weights_belong_to_image_and_member():
    names = [f"i{k}" for k in range(4000)]
    first, second = bootstrap_weights(names, 0), bootstrap_weights(names, 1)
    assert (first > 0).all()
    for weights in (first, second):  # the exponential distribution: mean, deviation, median
        assert weights.mean().item() == pytest.approx(1, abs=0.06)
        assert weights.std().item() == pytest.approx(1, abs=0.08)
        assert weights.median().item() == pytest.approx(math.log(2), abs=0.05)
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1]) < 0.05
    assert bootstrap_weights(["i7"], 1).item() == second[7].item()


def test_separate_samples_have_one_owner():
    torch.manual_seed(0)
    dealt = separate_samples((3, 1000), 2)
    assert dealt.shape == (2, 3, 1000) and (dealt.sum(dim=0) == 1).all()
    assert abs(dealt[0].float().mean() - 0.5) < 0.05
