import pytest
import torch

from ads_det.core.uncertainty import class_distribution, inverse_margin, least_confidence


def test_distribution_by_hand():
    y = torch.tensor([[0.2, 0.6]])
    assert class_distribution(y, background=False)[0].tolist() == pytest.approx([0.25, 0.75])
    # background 0.4, sum 1.2
    assert class_distribution(y, True)[0].tolist() == pytest.approx([1 / 6, 1 / 2, 1 / 3])


def test_an_empty_anchor_is_certain():
    empty = class_distribution(torch.tensor([[1e-6, 1e-6, 0.0]]), background=True)
    assert least_confidence(empty).item() == pytest.approx(0, abs=1e-5)
    assert inverse_margin(empty).item() == pytest.approx(0, abs=1e-5)
    without = class_distribution(torch.tensor([[1e-6, 1e-6, 0.0]]), background=False)
    assert least_confidence(without).item() == pytest.approx(0.5)


def test_uncertainties_by_hand():
    p = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    assert least_confidence(p).tolist() == pytest.approx([0.5, 0.2])
    assert inverse_margin(p).tolist() == pytest.approx([0.8, 0.3])


def test_nothing_but_zeros_is_no_division_by_zero():
    y = torch.zeros(1, 3)
    assert torch.isfinite(least_confidence(class_distribution(y, False))).all()
    assert class_distribution(y, True)[0].tolist() == [0, 0, 0, 1]
