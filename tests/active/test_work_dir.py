"""The state of a run, and the settings with which it may go on."""

import pytest
from helpers import tiny_config

from ads_det.active.pool import Pool
from ads_det.active.work_dir import WorkDir
from ads_det.errors import ADSError

IDS = ["a", "b"]


@pytest.fixture
def begun(digits, tmp_path):
    """The folder of a run that has begun."""
    folder = WorkDir(tmp_path / "run", tiny_config(digits), 0)
    folder.begin(Pool(IDS))
    return folder.path


def test_a_folder_that_another_run_took_meanwhile_is_left_alone(begun, digits):
    state = (begun / "pool.json").read_bytes()
    with pytest.raises(ADSError, match="was taken by another run; choose another"):
        WorkDir(begun, tiny_config(digits), 7).begin(Pool(["c"]))
    assert (begun / "pool.json").read_bytes() == state


def test_another_number_of_workers_is_said_and_noted(begun, digits, capsys):
    cfg = tiny_config(digits, **{"train_dataloader.num_workers": 3})
    for said in (1, 0):
        assert list(WorkDir(begun, cfg, 0).read_pool(IDS).ids) == IDS
        sentence = "train_dataloader.num_workers was 0 and is 3 now"
        assert capsys.readouterr().out.count(sentence) == said


def test_a_run_whose_config_is_lost_goes_on_only_with_the_same(begun, digits):
    (begun / "config.json").unlink()
    other = tiny_config(digits, **{"optim_wrapper.optimizer.lr": 0.5})
    with pytest.raises(ADSError, match=r"other settings \(they differ in optim_wrapper\);"):
        WorkDir(begun, other, 0).read_pool(IDS)
    assert not (begun / "config.json").exists()
    WorkDir(begun, tiny_config(digits), 0).read_pool(IDS)
    assert (begun / "config.json").exists()
