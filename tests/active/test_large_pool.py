"""What differs in a pool of which no table shows all and whose images are not all read first."""

import shutil

import numpy as np
import pytest
from helpers import tiny_config

from ads_det import scores
from ads_det.active import loop as loop_module
from ads_det.active.initial import choose_readable, draw_initial
from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.pool import Pool
from ads_det.active.selection import Selection
from ads_det.core.ranking import rank
from ads_det.errors import ADSError
from ads_det.files import read_csv
from ads_det.work_files import SelectionFiles

IDS = ["d", "b/ü x", 'c,"q"', "a", "e"]
SCORES = np.array([1.0, 0.1 + 0.2, -3.0, 1.0, 2.0])


def write_scores(files, ids, scores):
    Selection(ids, scores, [], []).write_scores(files)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr(scores, "IN_TABLE", 3)
    return SelectionFiles(tmp_path)


def test_the_table_shows_the_best_and_all_scores_come_back_exactly(files):
    write_scores(files, IDS, SCORES)
    assert [row["id"] for row in read_csv(files.scores_table)] == ["e", "a", "d"]
    assert files.scores() == dict(zip(IDS, SCORES.tolist()))


def test_fewer_candidates_leave_no_array_of_more(files):
    write_scores(files, IDS, SCORES)
    write_scores(files, IDS[:3], SCORES[:3])
    assert not files.scores_array.exists()
    assert files.scores() == dict(zip(IDS[:3], SCORES[:3].tolist()))


def test_a_selection_of_before_the_array_is_read_from_its_table(files):
    files.scores_table.write_text("id,score\n" + "".join(f"i{n},{n}\n" for n in range(5)))
    assert list(files.scores()) == [f"i{n}" for n in range(5)]


@pytest.mark.parametrize(
    "content",
    [
        dict(ids=np.array(b"a\nb"), scores=np.array([1.0])),
        dict(ids=np.array(b"a\na"), scores=np.array([1.0, 2.0])),
        dict(ids=np.array(b"a\nb"), scores=np.array([1.0, np.nan])),
        dict(ids=np.array(b"a"), scores=np.array([1])),
        dict(ids=np.array(3), scores=np.array([1.0])),
        dict(scores=np.array([1.0])),
        None,
    ],
)
def test_a_wrong_array_of_scores(files, content):
    if content is None:
        files.scores_array.write_bytes(b"PK half of it")
    else:
        np.savez(files.scores_array, **content)
    with pytest.raises(ADSError, match="scores.npz is not as ads_det wrote it"):
        files.scores()


def test_rank_orders_as_sorting_by_score_and_id_does():
    rng = np.random.default_rng(0)
    ids = [f"{i:x}" for i in rng.permutation(500)]
    scores = rng.choice([-1.5, -0.0, 0.0, 2.0, *rng.random(100)], 500)
    assert rank(ids, scores) == sorted(range(500), key=lambda i: (-scores[i], ids[i]))
    assert rank([], []) == []


def test_unreadable_images_are_found_among_those_drawn_and_change_no_other():
    ids = [f"{i:03d}" for i in range(50)]
    first = draw_initial(Pool(ids), 10, seed=0)
    broken, asked = {first[2], first[7]}, []

    def unreadable(names):
        asked.append(list(names))
        return [name for name in names if name in broken]

    pool, whole = Pool(ids), Pool(ids)
    found = choose_readable(pool, lambda: draw_initial(pool, 10, seed=0), unreadable)
    whole.leave_out(broken)  # as if all had been read
    assert found == draw_initial(whole, 10, seed=0)
    assert set(pool.left_out()) == broken and len(asked) == 2


def test_a_list_that_names_an_unreadable_image_is_refused_and_not_asked_for_ever():
    pool = Pool(["a", "b"])
    ids = choose_readable(pool, lambda: ["a"], lambda names: names)
    with pytest.raises(ADSError, match="'a' cannot be read"):
        pool.label(ids, 0)


def test_a_large_pool_reads_what_it_draws_and_nothing_else(digits, tmp_path, monkeypatch):
    root = tmp_path / "digits"
    shutil.copytree(digits, root)
    ids = (root / "ImageSets/Main/trainval.txt").read_text().split()
    first = draw_initial(Pool(ids), 4, seed=0)[0]
    whole = Pool(ids)
    whole.leave_out([first])
    expected = draw_initial(whole, 4, seed=0)
    late = next(name for name in ids if name not in (first, *expected))
    for name in (first, late):
        (root / f"JPEGImages/{name}.jpg").write_bytes(b"")
    monkeypatch.setattr(loop_module, "READ_FIRST", len(ids) - 1)
    loop = ActiveLearningLoop(tiny_config(root), tmp_path / "run")
    loop.open()
    assert loop.pool.left_out() == [first] and late in loop.pool.unlabeled()
    assert set(loop.pool.labeled()) == set(expected)
