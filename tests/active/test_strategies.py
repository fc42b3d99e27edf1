import math

import numpy as np
import pytest
import torch
from helpers import tiny_config

from ads_det.active.checks import check_strategies
from ads_det.active.settings import Settings
from ads_det.active.strategies import (
    Candidates,
    ClassBalancedEntropy,
    CoreSet,
    DiverseEntropy,
    Entropy,
    ForegroundDiscrepancy,
    LeastConfident,
    Margin,
    Random,
)
from ads_det.active.strategies.base import MeasuredStrategy
from ads_det.active.strategies.entropy import entropy_score
from ads_det.console import say_once
from ads_det.core.entropy import EntropyRule
from ads_det.core.outputs import Outputs
from ads_det.engine.build import build_from
from ads_det.engine.methods import build_method
from ads_det.errors import ADSError
from ads_det.registry import STRATEGIES


def candidates(values=None, n=5, seed=0):
    ids = [f"i{k}" for k in range(n)]
    return Candidates(ids, values, np.random.default_rng(seed))


def outputs(*members):
    return Outputs(members=members)


def test_random_is_uniform_and_a_function_of_its_generator():
    counts = np.zeros(5)
    for seed in range(2000):
        for name in Random().query(candidates(seed=seed), 2)[0]:
            counts[int(name[1])] += 1
    assert counts.sum() == 4000
    assert abs(counts - 800).max() < 100  # 4.5 standard deviations
    first, _ = Random().query(candidates(seed=7), 3)
    assert first == Random().query(candidates(seed=7), 3)[0]


def test_entropy_takes_the_largest_and_breaks_ties_by_id():
    values = np.array([0.1, 0.5, 0.9, 0.5, 0.2])
    ids, utilities = Entropy().query(candidates(values), 3)
    assert ids == ["i2", "i1", "i3"]
    assert utilities.tolist() == values.tolist()


def test_entropy_score_by_hand():
    sure, unsure = [1.0, 0.0], [0.5, 0.5]
    y1 = torch.tensor([[sure, unsure, unsure], [sure, sure, unsure]])
    y2 = torch.tensor([[unsure, unsure, unsure], [sure, sure, sure]])
    ln2 = math.log(2)
    assert entropy_score((y1, y2), topk=2).tolist() == pytest.approx([ln2, ln2 / 4])
    assert entropy_score((y1, y2), topk=3, reduction="sum").tolist() == pytest.approx(
        [2.5 * ln2, 0.5 * ln2]
    )
    assert entropy_score((y1, y2), 1, rule=EntropyRule("min")).tolist() == pytest.approx([ln2, 0])
    measured = Entropy(topk=2).measure(outputs(y1, y2))
    assert measured.tolist() == entropy_score((y1, y2), 2).tolist()
    least = Entropy(topk=1, entropy_of="min").measure(outputs(y1, y2))
    assert least.tolist() == pytest.approx([ln2, 0])


def test_a_classifier_without_anchors_is_scored_by_its_entropy():
    y = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    assert Entropy().measure(outputs(y, y)).tolist() == pytest.approx([math.log(2), 0])


def test_more_asked_than_there_are():
    with pytest.raises(ValueError, match="6 images asked of 5"):
        Random().query(candidates(), 6)


def test_a_score_that_is_not_finite_names_the_image():
    with pytest.raises(ValueError, match="'i1' is nan"):
        Entropy().query(candidates(np.array([1, np.nan, 1, 1, 1.0])), 2)


@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        ("Entropy", dict(topk=0)),
        ("Entropy", dict(reduction="median")),
        ("Entropy", dict(entropy_of="both")),
        ("Margin", dict(topk=0)),
        ("LeastConfident", dict(reduction="median")),
        ("Margin", dict(background="yes")),
        ("ClassBalancedEntropy", dict(topk=0)),
        ("ClassBalancedEntropy", dict(reduction="median")),
        ("DiverseEntropy", dict(factor=0.5)),
        ("DiverseEntropy", dict(topk=0)),
        ("Extra", dict(name="")),
        ("BALD", dict(binary="yes")),
        ("VariationRatio", dict(background="yes")),
    ],
)
def test_arguments_without_meaning(kind, argument):
    with pytest.raises(ValueError, match=next(iter(argument))):
        STRATEGIES.build(dict(type=kind, **argument))


def test_a_strategy_without_the_method_that_it_announces_names_itself():
    """As somebody writes one: it needs something and measures nothing, or fits and does not."""

    class Half(MeasuredStrategy):
        fits = True

    strategy = Half()
    with pytest.raises(TypeError, match="Half measures nothing"):
        strategy.measure(outputs())
    with pytest.raises(TypeError, match="Half fits nothing"):
        strategy.fit(None)
    with pytest.raises(TypeError, match="Half fits nothing"):
        strategy.load_fitted({})


def test_class_balanced_entropy_by_hand():
    # two images, three anchors, two classes
    y1 = torch.tensor([[[0.5, 1.0], [0.25, 0.0], [0.0, 0.25]], [[1.0, 1.0]] * 3])
    y2 = torch.tensor([[[1.0, 1.0], [0.25, 0.0], [0.0, 1.00]], [[1.0, 0.5]] * 3])
    # of one anchor: 0.5 gives ln 2 / 2, and so does 0.25; one sure classifier halves it
    term = math.log(2) / 2
    largest = ClassBalancedEntropy(topk=1).measure(outputs(y1, y2))
    assert largest.tolist() == [pytest.approx([term, term / 2]), pytest.approx([0, term / 2])]
    two = ClassBalancedEntropy(topk=2).measure(outputs(y1, y2))
    assert two.tolist() == [pytest.approx([term * 3 / 4, term / 4]), pytest.approx([0, term / 2])]
    total = ClassBalancedEntropy(topk=3, reduction="sum").measure(outputs(y1, y2))
    by_anchor = entropy_score((y1, y2), topk=3, reduction="sum")
    assert total.sum(dim=1).tolist() == pytest.approx(by_anchor.tolist())
    # a classifier's classes stand for themselves
    assert ClassBalancedEntropy().measure(outputs(y1[:, 0], y2[:, 0]))[0].tolist() == pytest.approx(
        [term / 2, 0]
    )


def test_the_classes_take_turns():
    # by entropy alone the first three, all of class 0
    values = np.array([[0.9, 0], [0.8, 0], [0.7, 0.1], [0.3, 0.2], [0, 0.2]])
    ids, utilities = ClassBalancedEntropy().query(candidates(values), 4)
    assert ids == ["i0", "i3", "i1", "i4"]  # of equals, the first id
    assert utilities.tolist() == pytest.approx([0.9, 0.8, 0.8, 0.5, 0.2])
    assert ClassBalancedEntropy().query(candidates(values), 5)[0] == [*ids, "i2"]
    one_class = ClassBalancedEntropy().query(candidates(values[:, :1]), 3)[0]
    assert one_class == Entropy().query(candidates(values[:, 0]), 3)[0]
    values[1, 1] = np.nan
    with pytest.raises(ValueError, match="'i1' is nan"):
        ClassBalancedEntropy().query(candidates(values), 2)


def test_margin_and_least_confidence_of_anchors_by_hand():
    y1 = torch.tensor([[[0.9, 0.3], [0.0, 0.0]]])
    y2 = torch.tensor([[[0.7, 0.1], [0.0, 0.0]]])
    # mean (.8, .2) and background .2, sum 1.2; the other anchor is surely empty
    assert LeastConfident(topk=1).measure(outputs(y1, y2)).tolist() == pytest.approx(
        [1 - 0.8 / 1.2]
    )
    assert Margin(topk=1).measure(outputs(y1, y2)).tolist() == pytest.approx([1 - 0.6 / 1.2])
    assert Margin(topk=2).measure(outputs(y1, y2)).tolist() == pytest.approx([(1 - 0.6 / 1.2) / 2])
    assert Margin(topk=1, background=False).measure(
        outputs(y1[:, :1], y2[:, :1])
    ).tolist() == pytest.approx([1 - 0.6])


def test_a_classifier_has_no_background():
    y = torch.tensor([[0.6, 0.2]])
    assert Margin().measure(outputs(y, y)).tolist() == pytest.approx([0.5])
    assert LeastConfident().measure(outputs(y, y)).tolist() == pytest.approx([0.25])


def test_one_classifier_is_plain_entropy_sampling():
    y = torch.tensor([[0.6, 0.2], [0.5, 0.5]])
    for strategy in (Entropy(), Margin(), LeastConfident(), ClassBalancedEntropy()):
        alone, twice = strategy.measure(outputs(y)), strategy.measure(outputs(y, y))
        assert torch.equal(alone, twice)


def check(digits, key="strategy", **options):
    options = {f"active_learning.{key}": "ads_det.Gap"} | options
    cfg = tiny_config(digits, **options)
    check_strategies(Settings.from_config(cfg), cfg, build_method(cfg))


def test_a_strategy_of_two_predictions_insists_on_them(gap, digits, monkeypatch):
    one = {"model.bbox_head.num_classifiers": 1, "method.type": "ads_det.Plain"}
    ensemble = one | {"method.members": 2}
    check(digits)
    check(digits, **ensemble)
    with pytest.raises(ADSError, match=r"strategy \(Gap\) compares at least 2 .* will be 1"):
        check(digits, **one)
    # before the first cycle there is one model, whatever the method trains later
    check(digits, "initial_strategy")
    with pytest.raises(ADSError, match=r"initial_strategy \(Gap\) compares at least 2"):
        check(digits, "initial_strategy", **ensemble)
    monkeypatch.setattr(gap, "passes", 2)
    check(digits, **one)


def features(points, labeled, values=None):
    points, labeled = np.array(points, np.float32), np.array(labeled, np.float32)
    ids = [f"i{k}" for k in range(len(points))]
    generator = np.random.default_rng(0)
    return Candidates(ids, values, generator, points[:, None], labeled.reshape(-1, 1))


def test_core_set_covers_and_scores_by_distance():
    ids, utilities = CoreSet().query(features([0, 1, 4, 9, 10], [0]), 3)
    assert ids == ["i4", "i2", "i1"]
    assert utilities.tolist() == pytest.approx([0, 1, 4, 9, 10])
    ids, utilities = CoreSet().query(features([0, 1, 10], []), 1)
    assert ids == ["i2"] and utilities.tolist() == [0, 0, 0]


def test_diverse_entropy_takes_one_of_each_copy():
    # the four most uncertain are copies of two images; a fifth is sure, and far away
    values = np.array([0.9, 0.8, 0.7, 0.6, 0.1])
    choice = features([5, 5, 8, 8, 99], [0], values)
    assert DiverseEntropy(factor=2).query(choice, 2)[0] == ["i0", "i2"]
    first = DiverseEntropy(factor=1).query(choice, 2)[0]
    assert first == Entropy().query(choice, 2)[0] == ["i0", "i1"]
    for factor in (9, 1e308):  # all
        assert DiverseEntropy(factor=factor).query(choice, 2)[0] == ["i2", "i4"]


def test_the_old_name_of_diverse_entropy_is_understood(capsys):
    say_once.cache_clear()
    for _ in range(2):
        old = build_from(STRATEGIES, dict(type="ads_det.DiverseADS", factor=2, topk=5), "strategy")
    assert isinstance(old, DiverseEntropy) and (old.factor, old.topk) == (2, 5)
    assert capsys.readouterr().out.count("is now called ads_det.DiverseEntropy") == 1
    values = np.array([0.9, 0.8, 0.7, 0.6, 0.1])
    assert old.query(features([5, 5, 8, 8, 99], [0], values), 2)[0] == ["i0", "i2"]
    with pytest.raises(ADSError, match="factor is 0.5"):
        build_from(STRATEGIES, dict(type="ads_det.DiverseADS", factor=0.5), "strategy")


def test_foreground_discrepancy_by_hand():
    # one image, two anchors, two classes: an object that the two see differently, and background
    y1 = torch.tensor([[[0.5, 0.0], [0.0, 0.2]]])
    y2 = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    first = 0.75 * 0.5 * (0.5 * math.log(2) / 2)
    second = 0.1 * 0.2 * (-0.2 * math.log(0.2) / 2)
    measured = ForegroundDiscrepancy(topk=1).measure(outputs(y1, y2))
    assert measured.tolist() == [pytest.approx([first, second], rel=1e-5)]
    total = ForegroundDiscrepancy(topk=2, reduction="sum").measure(outputs(y1, y2))
    assert total.tolist() == [pytest.approx([first, second], rel=1e-5)]
    behind = torch.full((1, 2, 1), 0.9)  # a background class takes no part
    with_behind = outputs(*(torch.cat([y, behind], dim=2) for y in (y1, y2)))
    found = ForegroundDiscrepancy(topk=1, background=True).measure(with_behind)
    assert found.tolist() == measured.tolist()
    assert ForegroundDiscrepancy().measure(outputs(y1[:, 0], y2[:, 0])).shape == (1, 2)
    # two heads that agree, however unsure, are worth nothing
    assert ForegroundDiscrepancy().measure(outputs(y1, y1)).tolist() == [[0, 0]]
    # the classes take turns: the second image is the first of class 1
    values = np.array([[0.9, 0.1], [0.5, 0.2], [0.8, 0.0]])
    assert ForegroundDiscrepancy().query(candidates(values, n=3), 2)[0] == ["i0", "i1"]
    with pytest.raises(ValueError, match="background is 1"):
        ForegroundDiscrepancy(background=1)
