"""Intervals of average precision: by hand, against mmdet, and how they behave."""

import numpy as np
import pytest

from ads_det.core.bootstrap import ClassHits, average_precisions, mean_precision_interval


def some(seed, images, detections=60, rate=0.5):
    rng = np.random.default_rng(seed)
    hits = rng.random(detections) < rate
    places = rng.integers(0, images, detections)
    objects = np.bincount(places, hits, images).astype(int) + rng.integers(0, 2, images)
    return ClassHits(rng.permutation(detections) / detections, hits, places, objects)


def test_average_precision_by_hand():
    # best first: hit, miss, hit; 2 of 4 objects are found: precision 1 up to recall 1/4, 2/3 to 1/2
    found = ClassHits(
        np.array([0.9, 0.5, 0.7]), np.array([1, 1, 0]) > 0, np.array([0, 1, 1]), np.array([1, 3])
    )
    once = np.ones((1, 2))
    assert average_precisions(found, once, eleven=True) == pytest.approx([(3 + 3 * 2 / 3) / 11])
    assert average_precisions(found, once, eleven=False) == pytest.approx([1 / 4 + 2 / 3 / 4])
    # without the first image: miss, hit, 1 of 3 objects
    assert average_precisions(found, np.array([[0, 1]]), eleven=False) == pytest.approx([1 / 6])
    assert np.isnan(average_precisions(found, np.zeros((1, 2)), eleven=True)).all()


@pytest.mark.parametrize(("mode", "eleven"), [("11points", True), ("area", False)])
def test_with_equal_weights_it_is_mmdets(mode, eleven):
    from mmdet.evaluation.functional.mean_ap import average_precision

    for seed in range(5):
        found = some(seed, 20)
        order = np.argsort(-found.scores)
        hit = np.cumsum(found.hits[order])
        recall, precision = hit / found.objects.sum(), hit / np.arange(1, len(hit) + 1)
        expected = average_precision(recall, precision, mode)
        ours = average_precisions(found, np.ones((1, 20)), eleven)[0]
        assert ours == pytest.approx(float(expected), abs=1e-6)


def test_weights_are_copies_of_an_image():
    found = some(0, 6)
    weights = np.array([[2, 0, 1, 3, 0, 1]])
    parts = [np.repeat(np.arange(60), weights[0][found.images])]
    copied = ClassHits(*(a[parts[0]] for a in (found.scores, found.hits)), parts[0] * 0,
                       np.array([weights[0] @ found.objects]))  # fmt: skip
    # one copy after the other, as the stable order leaves them
    ours, theirs = (
        average_precisions(found, weights, False)[0],
        average_precisions(copied, np.ones((1, 1)), False)[0],
    )
    assert ours == pytest.approx(theirs, abs=0.02)


def test_more_images_give_a_narrower_interval_around_the_result():
    widths = []
    for images in (10, 160):
        classes = [some(seed, images, images * 6) for seed in range(3)]
        low, high = mean_precision_interval(classes, eleven=True)
        once = np.ones((1, images))
        result = np.mean([average_precisions(c, once, True)[0] for c in classes])
        assert low <= result <= high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2
    assert mean_precision_interval(classes, True) == (low, high)
    assert mean_precision_interval([some(0, 1)], True) is None
