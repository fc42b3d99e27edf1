"""Equations of VAAL and SRAAL against numbers worked by hand and references written out."""

import math

import pytest
import torch
import torch.nn.functional as F

from ads_det.core.latent import (
    balanced_accuracy,
    deception_loss,
    discriminator_loss,
    kl_divergence,
    reconstruction_loss,
    uncertainty_indicator,
)


def test_kl_divergence_is_summed_or_averaged():
    mu, logvar = torch.tensor([[1.0, 0.0], [2.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    by_hand = 0.5 + 0 + 2 + 0.5 * (math.e - 2)
    assert kl_divergence(mu, logvar, average=False).item() == pytest.approx(by_hand)
    assert kl_divergence(mu, logvar, average=True).item() == pytest.approx(by_hand / 4)
    normal = torch.distributions.Normal(mu, (logvar / 2).exp())
    reference = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0))
    assert kl_divergence(mu, logvar, average=False).item() == pytest.approx(reference.sum().item())


def test_reconstruction_is_the_mean_over_all_values():
    assert reconstruction_loss(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 1.0]])).item() == 2.5
    decoded, images = torch.rand(2, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    squares = [(a - b) ** 2 for a, b in zip(decoded.flatten().tolist(), images.flatten().tolist())]
    reference = sum(squares) / (2 * 3 * 4 * 4)
    assert reconstruction_loss(decoded, images).item() == pytest.approx(reference, rel=1e-5)


def test_discriminator_and_deception_by_hand():
    """D is 1/2 and 3/4 of two labelled images, 1/4 and 1/2 of two unlabelled ones."""
    labeled = torch.tensor([0.0, math.log(3)])
    unlabeled = torch.tensor([-math.log(3), 0.0])
    on_labeled = (math.log(2) + math.log(4 / 3)) / 2
    deceived = on_labeled + (math.log(4) + math.log(2)) / 2
    assert deception_loss(labeled, unlabeled).item() == pytest.approx(deceived)
    seen = on_labeled + (math.log(4 / 3) + math.log(2)) / 2
    assert discriminator_loss(labeled, unlabeled).item() == pytest.approx(seen)
    # SRAAL with uncertainties of 0 and 3/4: targets 1 and 1/4, where D is 1/4
    same, targets = torch.full((2,), -math.log(3)), torch.tensor([1.0, 0.25])
    graded = on_labeled + (math.log(4) + (math.log(4) + 3 * math.log(4 / 3)) / 4) / 2
    assert discriminator_loss(labeled, same, targets).item() == pytest.approx(graded)


def test_encoder_and_discriminator_want_opposite_answers_on_unlabelled_images():
    labeled, unlabeled = torch.tensor([0.3, -1.0]), torch.tensor([2.0, 0.5, -0.1])
    d_l, d_u = labeled.sigmoid(), unlabeled.sigmoid()
    bce = F.binary_cross_entropy
    wanted = bce(d_l, torch.ones(2)) + bce(d_u, torch.ones(3))
    assert deception_loss(labeled, unlabeled).item() == pytest.approx(wanted.item(), rel=1e-5)
    wanted = bce(d_l, torch.ones(2)) + bce(d_u, torch.zeros(3))
    assert discriminator_loss(labeled, unlabeled).item() == pytest.approx(wanted.item(), rel=1e-5)
    target = torch.tensor([1.0, 0.3, 0.6])
    wanted = bce(d_l, torch.ones(2)) + bce(d_u, target)
    loss = discriminator_loss(labeled, unlabeled, target)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_accuracy_is_balanced():
    """90 of 91 images are unlabelled: calling everything unlabelled is a guess."""
    assert balanced_accuracy(torch.tensor([-1.0]), -torch.ones(90)) == 0.5
    assert balanced_accuracy(torch.tensor([1.0, -1.0]), -torch.ones(90)) == 0.75


def test_accuracy_counts_from_the_middle_of_the_targets():
    """Targets of .9 and .7 for the unlabelled images: the middle to 1 is .9, a logit of 2.197."""
    labeled, unlabeled = torch.tensor([2.3, 2.1]), torch.tensor([2.1, 1.0, 2.3, 0.1])
    target = torch.tensor([0.9, 0.7])
    assert balanced_accuracy(labeled, unlabeled, target) == (1 / 2 + 3 / 4) / 2
    assert balanced_accuracy(labeled, unlabeled) == 0.5  # all above a half
    assert balanced_accuracy(labeled, unlabeled, 1.0) == 0.5  # nothing to tell apart


def test_indicator_of_three_predictions():
    sure, even = torch.tensor([1.0, 0.0, 0.0]), torch.full((3,), 1 / 3)
    assert uncertainty_indicator(sure).item() == pytest.approx(0.0, abs=1e-6)
    assert uncertainty_indicator(even).item() == pytest.approx(2 / 3, abs=1e-6)
    # Var of (.5, .5, 0) is 1/18, the least with a maximum of .5 that of (.5, .25, .25), 1/72
    two = torch.tensor([0.5, 0.5, 0.0])
    assert uncertainty_indicator(two).item() == pytest.approx(1 - 0.25 * 0.5, abs=1e-6)


def test_indicator_of_any_prediction_is_the_definition_written_out():
    for v in torch.rand(20, 5, generator=torch.Generator().manual_seed(0)).softmax(dim=-1):
        most = v.max()
        flat = torch.full((5,), ((1 - most) / 4).item())
        flat[0] = most
        ratio = flat.var(unbiased=False) / v.var(unbiased=False)
        wanted = 1 - ratio * most
        assert uncertainty_indicator(v).item() == pytest.approx(wanted.item(), abs=1e-5)
