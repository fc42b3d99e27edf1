"""Each equation on hand-computed numbers and against a plain-Python reference."""

import math

import pytest
import torch

from ads_det.core.calibration import agreement_weight, discrepancy_weight, phase_weights
from ads_det.core.criterion import ADSCriterion
from ads_det.core.entropy import EntropyRule, class_entropy, entropy, mean_entropy
from ads_det.core.losses import (
    agreement_terms,
    binary_cross_entropy,
    classifier_discrepancy,
    discrepancy_terms,
    label_loss,
    sum_over_batch,
)

LN2 = math.log(2)


def agreement_loss(y1, y2, weight):
    return sum_over_batch(agreement_terms(y1, y2, weight))


def discrepancy_loss(y1, y2, weight):
    return sum_over_batch(discrepancy_terms(y1, y2, weight))


def reference_entropy(y):
    return -sum(p * math.log(p) for p in y if p > 0)


def reference_sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.fixture
def pair():
    g = torch.Generator().manual_seed(0)
    return torch.rand(4, 5, generator=g), torch.rand(4, 5, generator=g)


def test_entropy_by_hand():
    assert entropy(torch.tensor([0.5, 0.5])).item() == pytest.approx(LN2)
    assert entropy(torch.tensor([1.0, 0.0])).item() == 0
    assert entropy(torch.tensor([0.25, 0.25])).item() == pytest.approx(math.log(4) / 2)


def test_entropy_of_half_precision_is_computed_in_float32():
    assert entropy(torch.tensor([0.5, 0.5], dtype=torch.bfloat16)).dtype == torch.float32


def test_eq3_mean_max_min():
    y1, y2 = torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]])
    assert mean_entropy((y1, y2)).item() == pytest.approx(LN2 / 2)
    assert mean_entropy((y1, y2), EntropyRule("max")).item() == pytest.approx(LN2)
    assert mean_entropy((y1, y2), EntropyRule("min")).item() == 0
    with pytest.raises(ValueError, match="entropy_of is 'median'"):
        EntropyRule("median")


def test_eq3_by_class(pair):
    y1, y2 = torch.tensor([[0.5, 0.25]]), torch.tensor([[1.0, 0.25]])
    assert class_entropy((y1, y2)).tolist()[0] == pytest.approx([LN2 / 4, LN2 / 2])
    assert class_entropy(pair).sum(dim=-1).tolist() == pytest.approx(mean_entropy(pair).tolist())
    half = class_entropy((y1.bfloat16(), y2.bfloat16()))
    assert half.dtype == torch.float32 and half.tolist() == class_entropy((y1, y2)).tolist()


def test_eq3_reference(pair):
    y1, y2 = pair
    expected = [
        (reference_entropy(a) + reference_entropy(b)) / 2
        for a, b in zip(y1.tolist(), y2.tolist(), strict=True)
    ]
    assert mean_entropy((y1, y2)).tolist() == pytest.approx(expected, rel=1e-5)


def test_eq4_and_eq7_by_hand():
    e = torch.tensor([0.1, 1.1, 0.0])
    assert agreement_weight(e, n=2)[0].item() == pytest.approx(0.25)
    assert agreement_weight(e, n=2)[1].item() == pytest.approx((1 - 0.7310586) / 2, rel=1e-5)
    assert discrepancy_weight(e, n=2)[1].item() == pytest.approx(0.7310586 / 2, rel=1e-5)
    # since E >= 0: n * w_d never falls below sigmoid(-tau), n * w_a never exceeds the rest
    assert discrepancy_weight(e, n=1)[2].item() == pytest.approx(0.4750208, rel=1e-5)
    assert agreement_weight(e, n=1)[2].item() == pytest.approx(0.5249792, rel=1e-5)


def test_weights_are_detached_and_follow_tau():
    e = torch.tensor([0.7], requires_grad=True)
    assert not agreement_weight(e, 1).requires_grad
    assert not discrepancy_weight(e, 1).requires_grad
    assert agreement_weight(e, 1, tau=0.7).item() == pytest.approx(0.5)


def test_weightings_of_table_1():
    e = torch.tensor([0.0, 2 / math.e, 9.0])
    w_a, w_d = phase_weights(e, n=3, bound=2 / math.e, weighting="entropy")
    assert w_d.tolist() == pytest.approx([0, 1 / 3, 1 / 3])
    assert w_a.tolist() == pytest.approx([1 / 3, 0, 0], abs=1e-7)
    w_a, w_d = phase_weights(e, n=3, bound=2 / math.e, weighting="none")
    assert w_a.tolist() == w_d.tolist() == pytest.approx([1 / 3] * 3)
    with pytest.raises(ValueError, match="weighting is 'x'"):
        phase_weights(e, 3, 2 / math.e, "x")


def test_eq1_by_hand():
    zeros, target = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
    assert binary_cross_entropy(zeros, target).item() == pytest.approx(2 * LN2)
    assert label_loss(zeros, zeros, target).item() == pytest.approx(4 * LN2)


def test_eq1_reference(pair):
    logits1, logits2 = pair[0] * 4 - 2, pair[1] * 4 - 2
    labels = [0, 3, 2, 4]
    targets = torch.nn.functional.one_hot(torch.tensor(labels), 5)
    total = 0.0
    for logits in (logits1, logits2):
        for row, label in zip(logits.tolist(), labels, strict=True):
            for c, x in enumerate(row):
                p = reference_sigmoid(x)
                total -= math.log(p if c == label else 1 - p)
    assert label_loss(logits1, logits2, targets).item() == pytest.approx(total / 4, rel=1e-5)


def test_eq2_eq5_eq6_by_hand():
    y1 = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    y2 = torch.tensor([[0.0, 0.0], [0.5, 0.5]])
    assert classifier_discrepancy(y1, y2).tolist() == [0.5, 0.0]
    weight = torch.tensor([0.4, 0.2])
    assert agreement_loss(y1, y2, weight).item() == pytest.approx(0.2)
    assert discrepancy_loss(y1, y2, weight).item() == pytest.approx(0.4 * 0.5 + 0.2)


def test_anchors_are_averaged_and_images_summed():
    y1 = torch.zeros(2, 4, 3)
    y2 = torch.ones(2, 4, 3)
    weight = torch.full((2, 4), 0.5)
    assert agreement_loss(y1, y2, weight).item() == pytest.approx(1.0)
    repeated = agreement_loss(y1.repeat(1, 5, 1), y2.repeat(1, 5, 1), weight.repeat(1, 5))
    assert repeated.item() == pytest.approx(1.0)


def test_criterion_reference(pair):
    y1, y2 = pair
    agreement = discrepancy = 0.0
    for a, b in zip(y1.tolist(), y2.tolist(), strict=True):
        e = (reference_entropy(a) + reference_entropy(b)) / 2
        d = sum(abs(p - q) for p, q in zip(a, b, strict=True)) / 5
        agreement += (1 - reference_sigmoid(e - 0.1)) / 4 * d
        discrepancy += reference_sigmoid(e - 0.1) / 4 * (1 - d)
    criterion = ADSCriterion()
    assert criterion.agreement(y1, y2).loss.item() == pytest.approx(agreement, rel=1e-5)
    assert criterion.discrepancy(y1, y2).loss.item() == pytest.approx(discrepancy, rel=1e-5)


def test_criterion_bounds_the_entropy_weight_by_the_number_of_classes():
    y1 = torch.full((2, 5), 1 / math.e)  # the largest entropy of any prediction
    y2 = y1.clone()
    assert ADSCriterion("entropy").discrepancy(y1, y2).loss.item() == pytest.approx(1, rel=1e-5)
    rule = EntropyRule(normalize=True, base=2)
    y1, y2 = torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.full((1, 4), 0.25)
    loss = ADSCriterion("entropy", rule=rule).agreement(y1, y2).loss.item()
    assert loss == pytest.approx(0.5 * (0.75 + 3 * 0.25) / 4)  # 0 and 2 bits of at most 2


def test_criterion_reports_batch_means(pair):
    y1, y2 = pair
    phase = ADSCriterion().agreement(y1, y2)
    assert phase.entropy.item() == pytest.approx(mean_entropy(pair).mean().item())
    assert phase.discrepancy.item() == pytest.approx((y1 - y2).abs().mean().item())


def test_criterion_directions():
    """One gradient step on the probabilities: agreement closes the gap, discrepancy opens it."""
    for name, closes in (("agreement", True), ("discrepancy", False)):
        y1 = torch.tensor([[0.6, 0.4]], requires_grad=True)
        y2 = torch.tensor([[0.5, 0.45]], requires_grad=True)
        phase = getattr(ADSCriterion(), name)(y1, y2)
        phase.loss.backward()
        moved = classifier_discrepancy(y1 - 0.01 * y1.grad, y2 - 0.01 * y2.grad)
        assert (moved < phase.discrepancy) == closes


def test_criterion_of_no_images_is_zero():
    empty = torch.zeros(0, 4, 3, requires_grad=True)
    assert ADSCriterion().agreement(empty, empty).loss.item() == 0


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(weighting="x"), "weighting is 'x'"),
        (dict(tau="0.1"), "tau is '0.1'"),
        (dict(tau=math.nan), "tau is nan"),
        (dict(n_power=3), "n_power is 3"),
    ],
)
def test_criterion_rejects(argument, message):
    with pytest.raises(ValueError, match=message):
        ADSCriterion(**argument)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(entropy_of="x"), "entropy_of is 'x'"),
        (dict(normalize=1), "normalize is 1"),
        (dict(base=1), "base is 1"),
        (dict(base="2"), "base is '2'"),
    ],
)
def test_entropy_rule_rejects(argument, message):
    with pytest.raises(ValueError, match=message):
        EntropyRule(**argument)


# -- shapes that would broadcast to a wrong number ----------------------------------------------

Y = torch.full((4, 5), 0.5)


@pytest.mark.parametrize("other", [Y[:1], Y[:, :1], Y[0]], ids=["images", "classes", "no images"])
@pytest.mark.parametrize(
    "equation",
    [
        lambda y1, y2: mean_entropy((y1, y2)),
        lambda y1, y2: class_entropy((y1, y2)),
        lambda y1, y2: label_loss(y1, y1, y2),
        lambda y1, y2: label_loss(y1, y2, y1),
        classifier_discrepancy,
        lambda y1, y2: agreement_loss(y1, y2, Y[:, 0]),
        lambda y1, y2: discrepancy_loss(y1, y2, Y[:, 0]),
        lambda y1, y2: ADSCriterion().agreement(y1, y2).loss,
        lambda y1, y2: ADSCriterion().discrepancy(y1, y2).loss,
    ],
)
def test_predictions_of_two_shapes_are_refused(equation, other):
    for pair in ((Y, other), (other, Y)):
        with pytest.raises(ValueError, match="predictions of one shape are needed, got"):
            equation(*pair)


def test_entropy_of_no_prediction_is_refused():
    with pytest.raises(ValueError, match="got none"):
        mean_entropy(())


@pytest.mark.parametrize("loss", [agreement_loss, discrepancy_loss])
@pytest.mark.parametrize("weight", [torch.tensor(1.0), torch.ones(1), torch.ones(4, 1)])
def test_a_weight_of_another_shape_is_refused(loss, weight):
    assert loss(Y, Y, torch.ones(4)).dim() == 0
    with pytest.raises(ValueError, match="one shape"):
        loss(Y, Y, weight)
