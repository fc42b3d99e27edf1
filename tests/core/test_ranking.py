import pytest
import torch

from ads_det.core.ranking import rank, topk_reduce

VALUES = torch.tensor([[1.0, 5.0, 3.0, 4.0], [2.0, 2.0, 2.0, 2.0]])


@pytest.mark.parametrize(
    ("topk", "reduction", "expected"),
    [
        (2, "mean", [4.5, 2.0]),
        (2, "sum", [9.0, 4.0]),
        (2, "kth", [4.0, 2.0]),
        (1000, "mean", [3.25, 2.0]),
        (0.75, "mean", [4.0, 2.0]),
        (0.01, "mean", [5.0, 2.0]),
        (1.0, "sum", [13.0, 8.0]),
    ],
)
def test_topk_reduce_by_hand(topk, reduction, expected):
    assert topk_reduce(VALUES, topk, reduction).tolist() == pytest.approx(expected)


def test_topk_reduce_leaves_one_value_an_image_alone():
    assert topk_reduce(VALUES[0], 2).tolist() == VALUES[0].tolist()


@pytest.mark.parametrize("topk", [0, -1, 0.0, 1.5, True, "10", None])
def test_topk_without_meaning(topk):
    with pytest.raises(ValueError, match="topk is"):
        topk_reduce(VALUES, topk)


def test_reduction_without_meaning():
    with pytest.raises(ValueError, match="reduction is 'median'"):
        topk_reduce(VALUES, 2, "median")


def test_rank_is_descending_with_ties_by_id():
    assert rank(["d", "b", "c", "a"], [1.0, 2.0, 2.0, 1.0]) == [1, 2, 3, 0]


def test_rank_refuses_what_it_cannot_order():
    with pytest.raises(ValueError, match="score of 'b' is nan"):
        rank(["a", "b"], [0.0, float("nan")])
    with pytest.raises(ValueError, match=r"shape \(1,\), but there are 2 ids"):
        rank(["a", "b"], [0.0])
