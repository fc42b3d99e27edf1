"""Settings of the loop without a meaning, and data that cannot be prepared."""

import pytest
from mmengine.config import Config

from ads_det.active.settings import Settings, prepare_data
from ads_det.errors import ADSError

BLOCK = dict(initial=10, budget=10, cycles=4, strategy="ads_det.Random", metric="m")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (dict(warm_start=1), "warm_start is 1; use True or False"),
        (dict(allow_test_in_pool="no"), "allow_test_in_pool is 'no'; use True or False"),
        (dict(metric=""), "metric is ''; use the name of a metric"),
        (dict(metric=0.5), "metric is 0.5; use the name of a metric"),
        (dict(prepare="make_digits"), "prepare is 'make_digits'; use a dict of type and arguments"),
        (dict(cycles=True), "cycles is True; use a whole number of 1 or more"),
    ],
)
def test_a_setting_without_meaning_is_named(change, sentence):
    Settings(**BLOCK)
    with pytest.raises(ADSError, match=f"active_learning.{sentence}"):
        Settings(**BLOCK | change)


def test_data_that_cannot_be_prepared_end_with_the_reason(tmp_path):
    (tmp_path / "mine.txt").write_text("not to be overwritten")
    prepare = dict(type="ads_det.data.synthetic.make_digits", root=str(tmp_path))
    for changes, reason in (
        ({}, "something other than a digits data set"),
        (dict(poool=3), "'poool'"),
    ):
        cfg = Config(dict(active_learning=dict(prepare=prepare | changes)))
        with pytest.raises(ADSError, match=f"active_learning.prepare: .*{reason}"):
            prepare_data(cfg)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
