import math

import numpy as np
import pytest
import torch

from ads_det.active.strategies import Candidates, Entropy, Random
from ads_det.active.strategies.entropy import entropy_score
from ads_det.registry import STRATEGIES


def candidates(values=None, n=5, seed=0):
    ids = [f"i{k}" for k in range(n)]
    return Candidates(ids, values, np.random.default_rng(seed))


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
    assert utilities is values


def test_entropy_score_by_hand():
    sure, unsure = [1.0, 0.0], [0.5, 0.5]
    y1 = torch.tensor([[sure, unsure, unsure], [sure, sure, unsure]])
    y2 = torch.tensor([[unsure, unsure, unsure], [sure, sure, sure]])
    ln2 = math.log(2)
    assert entropy_score(y1, y2, topk=2).tolist() == pytest.approx([ln2, ln2 / 4])
    assert entropy_score(y1, y2, topk=3, reduction="sum").tolist() == pytest.approx(
        [2.5 * ln2, 0.5 * ln2]
    )
    assert entropy_score(y1, y2, 1, entropy_of="min").tolist() == pytest.approx([ln2, 0])
    assert Entropy(topk=2).measure(y1, y2).tolist() == entropy_score(y1, y2, 2).tolist()


def test_a_classifier_without_anchors_is_scored_by_its_entropy():
    y = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    assert Entropy().measure(y, y).tolist() == pytest.approx([math.log(2), 0])


def test_more_asked_than_there_are():
    with pytest.raises(ValueError, match="6 images asked of 5"):
        Random().query(candidates(), 6)


def test_a_score_that_is_not_finite_names_the_image():
    with pytest.raises(ValueError, match="'i1' is nan"):
        Entropy().query(candidates(np.array([1, np.nan, 1, 1, 1.0])), 2)


@pytest.mark.parametrize(
    "argument", [dict(topk=0), dict(reduction="median"), dict(entropy_of="both")]
)
def test_arguments_without_meaning(argument):
    with pytest.raises(ValueError, match=next(iter(argument))):
        STRATEGIES.build(dict(type="Entropy", **argument))
