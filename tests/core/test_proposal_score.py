"""The score from which on boxes are proposed, by hand."""

import numpy as np
import pytest

from ads_det.core.proposal_score import least_score

#    scores, the best first      .9  .8  .7  .6  .5  .4
#    right                        1   1   0   1   1   0
#    precision of it and above    1   1  2/3 3/4 4/5 2/3
#    sum of hits - 1/2           .5   1  .5   1 1.5   1
#    sum of hits - 9/10          .1  .2 -.7 -.6 -.5 -1.4
SCORES, HITS = np.array([0.5, 0.9, 0.7, 0.8, 0.4, 0.6]), np.array([1, 1, 0, 1, 0, 1], bool)


@pytest.mark.parametrize(
    "precision, fewest, expected",
    [
        (0.5, 1, (0.5, 0.8)),  # the next box is wrong, although 2/3 would be enough
        (0.5, 6, (0.4, 2 / 3)),
        (0.9, 1, (0.8, 1.0)),
        (0.9, 3, None),  # two boxes prove nothing
        (0.5, 7, None),
        (1.0, 1, (0.9, 1.0)),  # equal sums of 0 at .9 and .8: the larger score
    ],
)
def test_the_least_score_by_hand(precision, fewest, expected):
    found = least_score(SCORES, HITS, precision, fewest)
    assert found == (expected and pytest.approx(expected))


def test_boxes_of_one_score_stand_together():
    """With a threshold of .5 all four are shown, of which one is right."""
    scores, hits = np.array([0.5, 0.5, 0.5, 0.5]), np.array([True, False, False, False])
    assert least_score(scores, hits, 0.5, 1) is None
    assert least_score(scores, hits, 0.25, 1) == (0.5, 0.25)  # exactly as many as asked


def test_no_box_at_all():
    assert least_score(np.zeros(0), np.zeros(0, bool)) is None
