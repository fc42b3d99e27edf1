"""Whole runs give the values that they gave when ``recorded.json`` was written."""

import json
import platform

import pytest
import recorded

EXPECTED = json.loads(recorded.FILE.read_text())
RUNS = [*recorded.OPTIONS, "detection_cut"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        platform.machine() != "x86_64", reason="the values are those of x86-64 processors"
    ),
    pytest.mark.skipif(
        EXPECTED["versions"] != recorded.versions(),
        reason=f"the values are those of {EXPECTED['versions']}",
    ),
]


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "values.json"
    recorded.record(path)
    return json.loads(path.read_text())


def near(value):
    return pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("name", RUNS)
def test_every_cycle_of_a_run(values, name):
    cycles, expected = values[name], EXPECTED[name]
    picks = [cycle.get("picks") for cycle in expected]
    assert [cycle.get("picks") for cycle in cycles] == picks
    for cycle, before in zip(cycles, expected, strict=True):
        assert cycle["metrics"] == near(before["metrics"])
        assert cycle["biases"] == near(before["biases"])
        assert cycle.get("scores", []) == near(before.get("scores", []))


def test_a_run_cut_twice_ends_like_one_that_was_not(values):
    assert values["detection_cut"] == values["detection"]


def test_the_filter_and_the_strategies_make_a_difference():
    """Else the values above would say nothing about them."""
    assert EXPECTED["detection_predicted"][0] != EXPECTED["detection"][0]
    picks = {tuple(ids) for ids in EXPECTED["strategies"].values()}
    assert len(picks) == len(recorded.STRATEGIES)


def test_picks_of_the_strategies(values):
    assert values["strategies"] == EXPECTED["strategies"]
