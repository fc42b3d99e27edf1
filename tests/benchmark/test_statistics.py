import math
from itertools import product

import numpy as np
import pytest

from ads_det.benchmark.curves import plot_comparison
from ads_det.benchmark.statistics import (
    Curve,
    area_under_curve,
    bootstrap_interval,
    compare,
    labels_to_reach,
    mean_and_deviation,
)
from ads_det.benchmark.tables import comparison_tables, means_table, pairs_table, reach_table
from ads_det.errors import ADSError


def curve(*values, objects=None):
    images = tuple(100 * (i + 1) for i in range(len(values)))
    return Curve(images, objects or images, values)


def test_area_by_hand():
    # (0.2 + 0.4) / 2 * 100 + (0.4 + 0.5) / 2 * 200 = 30 + 90, over 300
    assert area_under_curve([100, 200, 400], [0.2, 0.4, 0.5]) == pytest.approx(0.4)
    assert area_under_curve([100, 200], [0.3, 0.3]) == pytest.approx(0.3)
    assert area_under_curve([100], [0.3]) == pytest.approx(0.3)
    # from 150 (0.3) over 200 (0.4) to 300 (0.45): (17.5 + 42.5) / 150
    assert area_under_curve([100, 200, 400], [0.2, 0.4, 0.5], (150, 300)) == pytest.approx(0.4)


def test_labels_to_reach_by_hand():
    costs, values = [100, 200, 400], [0.2, 0.4, 0.3]
    assert labels_to_reach(costs, values, 0.3) == pytest.approx(150)
    assert labels_to_reach(costs, values, 0.2) == 100
    assert labels_to_reach(costs, values, 0.1) == 100
    assert labels_to_reach(costs, values, 0.41) is None


def test_sample_deviation():
    assert mean_and_deviation([1, 2, 3]) == (2, 1)
    assert math.isnan(mean_and_deviation([1])[1])


def test_bootstrap_interval_is_that_of_all_resamples():
    for values in ((0.01, 0.04, 0.10), (0.0, 0.1, 0.2, 0.3, 0.5)):
        every = [np.mean(chosen) for chosen in product(values, repeat=len(values))]
        expected = np.quantile(every, [0.025, 0.975], method="inverted_cdf")
        assert bootstrap_interval(values) == pytest.approx(tuple(expected), abs=0.011)
    assert bootstrap_interval([0.1, 0.1, 0.1]) == pytest.approx((0.1, 0.1))
    assert all(math.isnan(v) for v in bootstrap_interval([0.1]))


def test_comparison_is_paired_by_seed():
    a = {0: curve(0.2, 0.4), 1: curve(0.5, 0.7), 7: curve(0.0, 0.0)}
    b = {0: curve(0.1, 0.3), 1: curve(0.45, 0.7005), 2: curve(0.9, 0.9)}
    result = compare(a, b)
    assert result.each == pytest.approx({0: 0.1, 1: 0.02475})
    assert result.difference == pytest.approx((0.1 + 0.02475) / 2)
    assert (result.wins, result.ties, result.losses) == (3, 1, 0)  # 0.0005 is a tie


def test_methods_without_a_common_seed_cannot_be_compared():
    """Their tables leave the pair out, and the mean of what no run reached stays empty."""
    a, b = {0: curve(0.2, 0.4)}, {1: curve(0.1, 0.3)}
    with pytest.raises(ValueError, match="no seed in common"):
        compare(a, b)
    assert not pairs_table({"a+x": a, "b+x": b}).rows
    dear = {0: Curve((900, 999), (900, 999), (0.1, 0.3))}
    with pytest.raises(ADSError, match="cannot be compared .the budgets of seed 0 do not"):
        pairs_table({"a+x": a, "b+x": dear})
    later = {1: Curve((200, 300), (200, 300), (0.1, 0.3))}
    rows = means_table({"a+x": a, "b+x": later}).rows
    assert [row[2:5] for row in rows] == [["0.2000", "0.4000", ""], ["", "0.1000", "0.3000"]]


def test_objects_on_the_axis_pay_nobody_twice():
    """Two methods on one curve f(objects); one selects twice as many objects."""
    a = {0: curve(0.2, 0.3, 0.4, objects=(10, 60, 110))}
    b = {0: curve(0.2, 0.4, 0.6, objects=(10, 110, 210))}
    assert compare(a, b, by_objects=True).difference == pytest.approx(0)
    assert compare(a, b).difference == pytest.approx(-0.1)


def test_objects_on_the_axis():
    a = {0: curve(0.2, 0.4, 0.4, objects=(10, 30, 110))}
    b = {0: curve(0.2, 0.4, 0.4, objects=(10, 100, 110))}
    # a: (0.3 * 20 + 0.4 * 80) / 100; b: (0.3 * 90 + 0.4 * 10) / 100
    assert compare(a, b, by_objects=True).difference == pytest.approx(0.38 - 0.31)
    assert compare(a, b).difference == 0


@pytest.mark.parametrize(
    ("gains", "certain"),
    [
        ((0.1, 0.2, 0.3, 0.2, 0.1), True),
        ((-0.1, -0.2, -0.3, -0.2, -0.1), True),
        ((0.1, 0.2, -0.3, 0.2, -0.3), False),
        ((0.1, 0.2, 0.3, 0.2), False),  # so few prove nothing
        ((0.1,), False),
    ],
)
def test_bold_only_what_the_interval_carries(gains, certain):
    a = {i: curve(0.5 + g, 0.5 + g) for i, g in enumerate(gains)}
    b = {i: curve(0.5, 0.5) for i in range(len(gains))}
    assert compare(a, b).is_certain == certain
    table = pairs_table({"ads+entropy": a, "plain+random": b}).markdown()
    assert ("**" in table) == certain
    assert "ads+entropy − plain+random" in table


def test_the_tables_name_every_run_and_count_incomplete_budgets():
    curves = {"a+x": {0: curve(0.25, 0.75), 1: curve(0.35)}, "b+x": {0: curve(0.5, 0.5)}}
    text = "\n".join(table.markdown() for table in comparison_tables(curves, ceiling=0.8))
    # the area of the run that is whole
    assert "| a+x | 2 | 0.3000 ± 0.0707 | 0.7500 (n=1) | 0.5000 (n=1) |" in text
    assert "| a+x − b+x | 1 | +0.0000 | +0.0000 | 1/0/1 |" in text
    assert "| a+x | 0 | 0.2500 | 0.7500 |" in text
    assert "| a+x | 1 | 0.3500 |  |" in text
    assert "Images needed to reach a share of the ceiling 0.8000" in text
    with pytest.raises(ADSError, match="--ceiling is 95.0, but results go to 1; give 0.95"):
        comparison_tables(curves, ceiling=95.0)
    # 0.64 on the way from 0.25 at 100 to 0.75 at 200 images; the other run never
    assert "| a+x | 178 (1 of 2 runs) |" in reach_table(curves, 0.8).markdown()


def test_the_band_of_several_runs_is_a_standard_deviation_to_each_side():
    runs = {0: curve(0.25, 0.5), 1: curve(0.5, 0.75, 0.875), 2: curve(0.75, 1.0)}
    (axes,) = plot_comparison({"a+x": runs}, "mean/accuracy").axes
    (band,) = axes.collections
    corners = {(x, round(y, 9)) for x, y in band.get_paths()[0].vertices.tolist()}
    assert corners == {(100, 0.25), (100, 0.75), (200, 0.5), (200, 1.0)}
    assert axes.get_legend_handles_labels()[1] == ["a+x (3 runs)"]
