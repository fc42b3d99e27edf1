"""The score from which on boxes are proposed, by hand."""

import numpy as np
import pytest

from ads_det.core.proposal_score import least_score

#    scores, the best first      .9  .8  .7  .6  .5  .4
#    right                        1   1   0   0   1   0
#    precision of it and above    1   1  2/3 1/2 3/5 1/2
SCORES, HITS = np.array([0.5, 0.9, 0.7, 0.8, 0.4, 0.6]), np.array([1, 1, 0, 1, 0, 0], bool)


@pytest.mark.parametrize(
    "precision, fewest, expected",
    [
        (0.5, 1, (0.4, 0.5)),  # exactly one half is enough
        (0.55, 1, (0.5, 0.6)),  # although .6 and above are right half the time only
        (0.65, 1, (0.7, 2 / 3)),
        (0.9, 2, (0.8, 1.0)),
        (0.9, 3, None),  # two boxes prove nothing
        (0.5, 7, None),
    ],
)
def test_the_least_score_by_hand(precision, fewest, expected):
    found = least_score(SCORES, HITS, precision, fewest)
    assert found == (expected and pytest.approx(expected))


def test_boxes_of_one_score_stand_together():
    """With a threshold of .5 all four are shown, of which one is right."""
    scores, hits = np.array([0.5, 0.5, 0.5, 0.5]), np.array([True, False, False, False])
    assert least_score(scores, hits, 0.5, 1) is None
    assert least_score(scores, hits, 0.25, 1) == (0.5, 0.25)


def test_no_box_at_all():
    assert least_score(np.zeros(0), np.zeros(0, bool)) is None
