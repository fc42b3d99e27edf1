"""A run that has trained nothing can be begun anew; a finished one says so."""

import json

import pytest
from helpers import tiny_config

from ads_det.active import cycle
from ads_det.active.loop import ActiveLearningLoop
from ads_det.errors import ADSError
from ads_det.standing import has_trained
from ads_det.work_files import RunFiles

OTHER = {"active_learning.initial": 6, "active_learning.cycles": 1}


class Failed(Exception):
    pass


@pytest.fixture
def failed_start(digits, tmp_path, monkeypatch):
    """The work directory of a run whose first training failed at once."""

    def fail(*args):
        raise Failed

    with monkeypatch.context() as patch:
        patch.setattr(cycle, "train_model", fail)
        with pytest.raises(Failed):
            ActiveLearningLoop(tiny_config(digits), tmp_path / "run").run()
    assert (tmp_path / "run/cycle_00/labeled.txt").exists()
    return tmp_path / "run"


@pytest.mark.parametrize("resume", [True, False])
def test_a_run_that_trained_nothing_is_begun_anew_with_other_settings(failed_start, digits, resume):
    loop = ActiveLearningLoop(tiny_config(digits, **OTHER), failed_start, resume)
    loop.open()
    assert len(loop.pool.labeled()) == 6
    assert json.loads((failed_start / "config.json").read_text())["active_learning"]["initial"] == 6
    assert not (failed_start / "cycle_00").exists()


def test_with_the_same_settings_it_goes_on(failed_start, digits):
    before = (failed_start / "pool.json").read_text()
    ActiveLearningLoop(tiny_config(digits), failed_start, resume=True).open()
    assert (failed_start / "pool.json").read_text() == before
    assert (failed_start / "cycle_00/labeled.txt").exists()


@pytest.mark.parametrize("name", ["train/epoch_1.pth", "model.pth", "member_0/train/epoch_2.pth"])
def test_a_run_with_a_checkpoint_is_kept(failed_start, digits, name):
    file = failed_start / "cycle_00" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    assert has_trained(RunFiles(failed_start))
    with pytest.raises(ADSError, match="other settings .*initial: 4 then, 6 now.*config out"):
        ActiveLearningLoop(tiny_config(digits, **OTHER), failed_start, resume=True).open()
    with pytest.raises(ADSError, match="already holds a run"):
        ActiveLearningLoop(tiny_config(digits, **OTHER), failed_start).open()
    assert file.exists()


def test_a_state_that_cannot_be_read_or_tells_of_later_cycles_is_kept(failed_start):
    files = RunFiles(failed_start)
    text = files.pool.read_text()
    assert not has_trained(files)
    files.pool.write_text(text.replace(": 0", ": 1"))
    assert has_trained(files)
    files.pool.write_text("{")
    assert has_trained(files)


def test_a_finished_run_says_so(finished, digits, capsys):
    ActiveLearningLoop(tiny_config(digits), finished, resume=True).open()
    assert "is finished: all 3 cycles are there" in capsys.readouterr().out
