import numpy as np
import pytest

from ads_det.core.k_center import distance_to_centers, k_center_greedy


def reference(points, budget, centers):
    """Alg. 1 of Sener and Savarese, by the definition."""
    chosen = []
    for _ in range(budget):
        best, farthest = None, -1.0
        for i, point in enumerate(points):
            covered = [*centers, *(points[j] for j in chosen)]
            nearest = min(float(((point - c) ** 2).sum()) for c in covered)
            if i not in chosen and nearest > farthest:
                best, farthest = i, nearest
        chosen.append(best)
    return chosen


def test_by_hand():
    points = np.array([[0.0], [1.0], [4.0], [9.0], [10.0]])
    # from 0: 10 is farthest; then 4 (4 from 0); then 1 or 9, both at distance 1: the first
    assert k_center_greedy(points, 3, np.array([[0.0]])) == [4, 2, 1]


def test_as_the_definition_says():
    rng = np.random.default_rng(0)
    points, centers = rng.normal(size=(60, 5)), rng.normal(size=(7, 5))
    assert k_center_greedy(points, 20, centers) == reference(points, 20, centers)


def test_without_centers_it_begins_far_from_the_mean():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 5.0]])
    assert k_center_greedy(points, 2) == [3, 1]  # (1, 0) and (-1, 0) are both farthest from it
    assert k_center_greedy(points, 2, np.empty((0, 2))) == [3, 1]


def test_copies_are_chosen_last_and_once():
    points = np.array([[0.0], [0.0], [0.0], [3.0]])
    assert k_center_greedy(points, 4, np.array([[0.0]])) == [3, 0, 1, 2]


def test_distances_of_more_centers_than_a_chunk():
    rng = np.random.default_rng(1)
    points, centers = rng.normal(size=(40, 3)), rng.normal(size=(600, 3))
    every = ((points[:, None] - centers) ** 2).sum(-1).min(1)
    assert distance_to_centers(points, centers) == pytest.approx(every, abs=1e-5)
    assert np.isinf(distance_to_centers(points, centers[:0])).all()


def test_more_asked_than_there_are():
    with pytest.raises(ValueError, match="5 images asked of 4"):
        k_center_greedy(np.zeros((4, 2)), 5)
