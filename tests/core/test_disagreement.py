"""Scores of several predictions by hand, with known rankings, in one go and pass by pass."""

import math

import numpy as np
import pytest
import torch

from ads_det.active.strategies import (
    BALD,
    Candidates,
    Discrepancy,
    MeanPredictionEntropy,
    VariationRatio,
)
from ads_det.core.disagreement import squared_discrepancy, total_entropy
from ads_det.core.outputs import Outputs

LN2 = math.log(2)
KINDS = (BALD, Discrepancy, MeanPredictionEntropy, VariationRatio)


def members(k=3, n=6, anchors=5, classes=4):
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(n, anchors, classes, generator=generator) for _ in range(k)]


def test_by_hand():
    sure, other, unsure = [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]
    # the images: the same, sure of opposite classes, both unsure
    y1, y2 = torch.tensor([sure, sure, unsure]), torch.tensor([sure, other, unsure])
    both = Outputs(members=(y1, y2))
    assert BALD().measure(both).tolist() == pytest.approx([0, 2 * LN2, 0])
    assert BALD(binary=False).measure(both).tolist() == pytest.approx([0, LN2, 0])
    mean = MeanPredictionEntropy().measure(both).tolist()
    assert mean == pytest.approx([0, 2 * LN2, 2 * LN2])
    assert VariationRatio().measure(both).tolist() == pytest.approx([0, 0.5, 0])
    assert Discrepancy().measure(both).tolist() == pytest.approx([0, 1, 0])
    assert total_entropy(torch.tensor([0.25]), True).item() == pytest.approx(
        -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    )


def test_an_anchor_may_vote_for_the_background():
    y1, y2 = torch.tensor([[[0.4, 0.1]]]), torch.tensor([[[0.6, 0.1]]])
    both = Outputs(members=(y1, y2))
    assert VariationRatio().measure(both).tolist() == [0.5]  # background, then class 0
    assert VariationRatio(background=False).measure(both).tolist() == [0.0]


def reference(name, image, topk):
    """One image, an anchor and a class after the other: ``image`` is (K, A, C)."""

    def h(p):
        return -sum(q * math.log(q) for q in (p, 1 - p) if q > 0)

    values = []
    for anchor in image.permute(1, 0, 2).double():
        mean = anchor.mean(dim=0)
        if name == "BALD":
            inner = sum(h(float(p)) for row in anchor for p in row) / len(anchor)
            values.append(sum(h(float(p)) for p in mean) - inner)
        elif name == "MeanPredictionEntropy":
            values.append(sum(h(float(p)) for p in mean))
        elif name == "VariationRatio":
            votes = [max([*enumerate(r), (-1, 1 - max(r))], key=lambda v: v[1])[0] for r in anchor]
            values.append(1 - max(votes.count(v) for v in votes) / len(votes))
        else:
            k = len(anchor)
            pairs = [(anchor[i] - anchor[j]).square() for i in range(k) for j in range(i)]
            values.append(float(torch.stack(pairs).mean()))
    return sum(sorted(values, reverse=True)[:topk]) / topk


@pytest.mark.parametrize("kind", KINDS)
def test_as_the_reference_in_one_go_and_pass_by_pass(kind):
    strategy, ys = kind(topk=2), members()
    expected = [reference(kind.__name__, image, 2) for image in torch.stack(ys, dim=1)]
    assert strategy.measure(Outputs(members=tuple(ys))).tolist() == pytest.approx(expected, 1e-4)
    stream = strategy.accumulator()
    for y in ys:
        stream.add(Outputs(members=(y,)))
    assert stream.result().tolist() == pytest.approx(expected, 1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_image_with_most_disagreement_is_first(kind):
    same = torch.full((1, 2, 2), 0.95)
    far = torch.tensor([[[0.95, 0.05], [0.9, 0.05]]])
    y1, y2 = torch.cat([same, far, same]), torch.cat([same, far.flip(-1), same])
    values = kind().measure(Outputs(members=(y1, y2))).double().numpy()
    candidates = Candidates(["a", "b", "c"], values, np.random.default_rng(0))
    assert kind().query(candidates, 1)[0] == ["b"]


def test_mi_aods_largest_anchors_are_averaged():
    y1, y2 = torch.tensor([[[1.0], [0.5], [0.0]]]), torch.zeros(1, 3, 1)
    for topk, expected in ((1, 1.0), (2, 0.625), (10000, 1.25 / 3)):
        assert Discrepancy(topk=topk).measure(Outputs(members=(y1, y2))).item() == pytest.approx(
            expected
        )


def test_sums_need_the_memory_of_one_pass():
    stream = BALD().accumulator()
    for y in members(k=7):
        stream.add(Outputs(members=(y,)))
    assert [x.shape for x in stream._sums] == [(6, 5, 4), (6, 5)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("argument", [dict(topk=0), dict(reduction="median"), dict(passes=0)])
def test_arguments_without_meaning(kind, argument):
    if kind is Discrepancy and "passes" in argument:
        return
    with pytest.raises(ValueError, match=next(iter(argument))):
        kind(**argument)


def test_one_prediction_has_nothing_to_compare():
    assert all(kind.min_members == 2 for kind in KINDS)
    with pytest.raises(ValueError, match="two or more"):
        squared_discrepancy(members(k=1))
