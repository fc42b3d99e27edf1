import json

import pytest

from ads_det.active.pool import Pool
from ads_det.errors import ADSError
from ads_det.files import read_csv, write_atomic, write_csv, write_json


@pytest.fixture
def pool():
    pool = Pool(["b", "a", "VOC2007/000005", "ü x"])
    pool.label(["a"], 0)
    pool.label(["ü x"], 1)
    return pool


def test_labelled_and_unlabelled_in_pool_order(pool):
    assert pool.labeled() == ["a", "ü x"]
    assert pool.labeled(0) == ["a"]
    assert pool.unlabeled() == ["b", "VOC2007/000005"]
    assert pool.unlabeled(0) == ["b", "VOC2007/000005", "ü x"]
    assert pool.labeled_in.tolist() == [-1, 0, -1, 1]


def test_round_trip(pool, tmp_path):
    pool.save(tmp_path / "pool.json", dict(seed=1))
    again, run = Pool.load(tmp_path / "pool.json")
    assert again.ids == pool.ids and run == dict(seed=1)
    assert again.labeled_in.tolist() == pool.labeled_in.tolist()
    assert '"ü x": 1' in (tmp_path / "pool.json").read_text()  # people can read it


@pytest.mark.parametrize("ids", [["b", "zz"], ["b", "a"]])
def test_a_wrong_label_changes_nothing(pool, ids):
    with pytest.raises(ADSError, match="has no image 'zz'|'a' is labelled since cycle 0"):
        pool.label(ids, 2)
    assert pool.unlabeled() == ["b", "VOC2007/000005"]


def test_twice_the_same_id():
    with pytest.raises(ADSError, match="twice"):
        Pool(["a", "a"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "format None"),
        (json.dumps(dict(format=99, run={}, images={})), "format 99"),
        (json.dumps(dict(format=1, run={}, images={"a": "x"})), "changed by hand"),
        (json.dumps(dict(format=1, run={}, images={"a": -3})), "changed by hand"),
        (json.dumps(dict(format=1, run=[], images={"a": 0})), "changed by hand"),
    ],
)
def test_broken_state(tmp_path, content, message):
    path = tmp_path / "pool.json"
    path.write_text(content)
    with pytest.raises(ADSError, match=message):
        Pool.load(path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "state.json"
    write_json(path, 1)

    def fail(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(ADSError, match="No space left on device"):
        write_atomic(path, fail)
    assert path.read_text() == "1\n"
    assert list(tmp_path.iterdir()) == [path]


def test_csv_keeps_odd_ids(tmp_path):
    ids = ['a,b "c"', "ü x"]
    write_csv(tmp_path / "s.csv", ("id", "score"), [(i, "1.5") for i in ids])
    assert [row["id"] for row in read_csv(tmp_path / "s.csv")] == ids
