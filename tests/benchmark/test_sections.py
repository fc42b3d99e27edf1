"""Sections of a report of a run that has lost a part of its files, or never had it."""

import json
import shutil

import pytest

from ads_det.benchmark.choices import add_choices, add_pictures
from ads_det.benchmark.run_folder import RunFolder, find_runs
from ads_det.benchmark.sections import add_model, add_pool
from ads_det.errors import ADSError
from ads_det.report.page import Page


@pytest.fixture
def run(finished, tmp_path):
    """A run whose models were deleted."""
    shutil.copytree(finished, tmp_path / "run")
    for model in (tmp_path / "run").glob("cycle_*/model.pth"):
        model.unlink()
    return RunFolder(tmp_path / "run", "run")


@pytest.fixture
def page(tmp_path):
    return Page(tmp_path / "out", "Report")


def test_without_models_the_pictures_of_the_picks_are_shown(run, page):
    assert run.files.cycle(0).picks_picture.exists()
    run.files.cycle(1).picks_picture.unlink()
    add_choices(page, run)
    add_model(page, run)
    text = page.write().read_text()
    assert "Picks of cycle 0" in text and "Cycle 1: 4 images" in text
    assert "Picks of cycle 1" not in text and text.count("<img ") == 1
    assert "sees objects" not in text


def test_a_picture_that_is_none_is_named(run, page):
    run.files.cycle(0).picks_picture.write_text("no picture")
    with pytest.raises(ADSError, match=r"picks.png is no picture; delete it to do without"):
        add_model(page, run)
        add_choices(page, run)


def test_of_a_run_that_chose_nothing_there_is_no_section_of_choices(run, page):
    for path in [*run.path.glob("cycle_*/picks.*")]:
        path.unlink()
    add_choices(page, run)
    add_pictures(page, run)
    add_model(page, run)
    assert "What was chosen" not in page.write().read_text()


def test_the_pool_of_a_run_without_scores_names_the_images_that_were_left_out(run, page):
    history = run.files.read_history()
    history["cycles"][-1]["unreadable_images"] = ["000007", "000009"]
    run.files.history.write_text(json.dumps(history))
    for path in [*run.path.glob("cycle_*/scores.*"), *run.path.glob("cycle_*/picks.*")]:
        path.unlink()
    add_pool(page, run)
    text = page.write().read_text()
    assert "Left out since they cannot be read: 000007, 000009." in text
    assert "Labelled objects of each class" in text and "Scores of the candidates" not in text


def test_runs_of_one_method_and_seed_in_two_comparisons_both_appear(tmp_path):
    for name in "ab":
        folder = tmp_path / name / "plain+random/seed_3"
        folder.mkdir(parents=True)
        (folder / "history.json").write_text("{}")
    second = f"plain+random ({tmp_path}/b/plain+random/seed_3)"
    found = find_runs([tmp_path / "a", tmp_path / "b", tmp_path / "a"])
    assert list(found) == ["plain+random", second]
    assert [list(by_seed) for by_seed in found.values()] == [[3], [3]]
    assert found[second][3].name == f"{second} seed 3"
