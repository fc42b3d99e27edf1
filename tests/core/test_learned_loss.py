"""LL4AL's ranking loss by hand, against a reference, and with the faults of public versions."""

import pytest
import torch

from ads_det.core.learned_loss import pairwise_hinge


def reference(predicted, target, margin):
    """The paper's Eq. 2, a pair after the other."""
    size, total = len(predicted), 0.0
    for i in range(size // 2):
        j = size - 1 - i
        sign = 1 if target[i] > target[j] else -1
        total += max(0.0, float(margin - sign * (predicted[i] - predicted[j])))
    return total / (size // 2)


def test_pairs_by_hand():
    predicted, target = torch.tensor([1.0, 3.0, 0.0, 2.0]), torch.tensor([4.0, 1.0, 2.0, 3.0])
    # first with last: wrong by 1, so 1 + 1; the inner pair: wrong by 3, so 1 + 3
    assert pairwise_hinge(predicted, target).item() == pytest.approx((2 + 4) / 2)
    # ranked right by more than the margin it is 0
    assert pairwise_hinge(target * 10, target).item() == 0


@pytest.mark.parametrize("margin", [0.5, 1.0])
def test_as_the_reference(margin):
    predicted, target = torch.randn(2, 12, generator=torch.Generator().manual_seed(0))
    expected = reference(predicted, target, margin)
    assert pairwise_hinge(predicted, target, margin).item() == pytest.approx(expected)


def test_a_step_along_the_gradient_ranks_better_and_leaves_the_true_losses_alone():
    predicted = torch.tensor([0.0, 0.1, 0.2, 0.3], requires_grad=True)
    target = torch.tensor([4.0, 3.0, 2.0, 1.0], requires_grad=True)
    pairwise_hinge(predicted, target).backward()
    assert target.grad is None
    assert predicted.grad.tolist() == [-0.5, -0.5, 0.5, 0.5]


def test_a_column_that_would_broadcast_against_a_row_is_refused():
    """The public loss then compares all with all: half of the signs cancel the others."""
    predicted, target = torch.randn(6, 1), torch.randn(6)
    with pytest.raises(ValueError, match="of one shape"):
        pairwise_hinge(predicted, target)
    with pytest.raises(ValueError, match="no pairs"):
        pairwise_hinge(predicted, target[:, None])


@pytest.mark.parametrize("size", [0, 1, 5])
def test_a_batch_without_pairs_is_refused_instead_of_being_worth_nothing(size):
    with pytest.raises(ValueError, match=r"no pairs"):
        pairwise_hinge(torch.zeros(size), torch.zeros(size))
