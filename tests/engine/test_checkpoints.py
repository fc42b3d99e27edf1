"""Training states: damaged, malicious, and what is left of a training that was cut short."""

import pickle

import pytest
import torch
from helpers import moved, state_of, tiny_classification_config

from ads_det.data.classification import DigitsDataset
from ads_det.engine.checkpoints import newest_checkpoint, read_checkpoint
from ads_det.engine.runner import CycleRunner
from ads_det.engine.training import training_config
from ads_det.errors import ADSError
from ads_det.files import write_ids


class Stop(BaseException):
    """A kill: nothing catches it."""


def build_runner(folder):
    ids = DigitsDataset().image_ids()
    write_ids(folder / "labeled.txt", ids[:20])
    write_ids(folder / "unlabeled.txt", ids[20:52])
    cfg = tiny_classification_config(
        **{
            "train_cfg.max_epochs": 4,
            "default_hooks.checkpoint.interval": 1,
            "default_hooks.checkpoint.max_keep_ckpts": 2,
        }
    )
    lists = (folder / "labeled.txt", folder / "unlabeled.txt")
    return CycleRunner.from_cfg(training_config(cfg, folder / "train", *lists, seed=3))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of a training that nobody disturbs."""
    runner = build_runner(tmp_path_factory.mktemp("whole"))
    runner.train()
    return state_of(runner.model)


@pytest.fixture
def cut(tmp_path):
    """The folder of a training that was stopped in its last epoch."""
    runner = build_runner(tmp_path)

    def stop(runner, **kwargs):
        if runner.epoch == 3:
            raise Stop

    runner.hooks[-1].after_train_iter = stop
    with pytest.raises(Stop):
        runner.train()
    assert {p.name for p in (tmp_path / "train").glob("epoch_*")} == {"epoch_2.pth", "epoch_3.pth"}
    return tmp_path


def ends_alike(folder, weights, begins_with):
    runner = build_runner(folder)
    begun = runner._load_from
    assert (begun or "").endswith(begins_with) and bool(begun) == bool(begins_with)
    runner.train()
    assert not moved(weights, runner.model)


def test_whole(cut, weights):
    ends_alike(cut, weights, "epoch_3.pth")


@pytest.mark.parametrize("keep", [0, 100, 0.5, -1])
def test_a_damaged_one_is_passed_over(cut, weights, keep, capsys):
    path = cut / "train/epoch_3.pth"
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    ends_alike(cut, weights, "epoch_2.pth")
    assert (
        "epoch_3.pth is damaged; the training goes on from the one before"
        in capsys.readouterr().out
    )


def test_without_any_the_training_begins_anew(cut, weights):
    for path in (cut / "train").glob("epoch_*.pth"):
        path.write_bytes(b"nothing")
    ends_alike(cut, weights, "")


def test_what_a_kill_leaves_of_a_write_is_no_checkpoint(cut, weights):
    (cut / "train/.epoch_4.pth.tmp").write_bytes((cut / "train/epoch_3.pth").read_bytes()[:999])
    ends_alike(cut, weights, "epoch_3.pth")


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    class Command:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    for protocol in (2, 4):
        (tmp_path / "epoch_1.pth").write_bytes(pickle.dumps(Command(), protocol))
        with pytest.raises(ADSError, match="cannot be read"):
            read_checkpoint(tmp_path / "epoch_1.pth")
        assert newest_checkpoint(tmp_path) is None
    assert not (tmp_path / "executed").exists()


def test_a_config_in_a_checkpoint_is_not_run(cut, weights):
    """mmengine runs `meta.config` of what it resumes as Python."""
    path = cut / "train/epoch_3.pth"
    content = torch.load(path, weights_only=False)
    content["meta"]["config"] = f"open({str(cut / 'executed')!r}, 'w')"
    torch.save(content, path)
    ends_alike(cut, weights, "epoch_3.pth")
    assert not (cut / "executed").exists()


def test_a_state_of_another_training_is_passed_over(tmp_path, capsys):
    parts = dict(message_hub={}, optimizer={}, state_dict=dict(weight=torch.ones(1)))
    torch.save(parts | dict(meta=dict(seed=3)), tmp_path / "epoch_1.pth")
    torch.save(parts, tmp_path / "epoch_2.pth")
    assert newest_checkpoint(tmp_path, seed=3) == tmp_path / "epoch_1.pth"
    assert newest_checkpoint(tmp_path, seed=4) is None
    said = capsys.readouterr().out
    assert "epoch_1.pth is of another training; the training goes on from the one before" in said
    assert said.count("epoch_2.pth is of another training") == 2


def test_weights_without_anything_else_begin_a_training_and_others_do_not(tmp_path):
    runner = build_runner(tmp_path)
    state = {name: value + 1 for name, value in state_of(runner.model).items()}
    torch.save(state, tmp_path / "bare.pth")
    runner.load_checkpoint(str(tmp_path / "bare.pth"))
    assert not moved(state, runner.model)
    torch.save(dict(state_dict=dict(other=torch.ones(1))), tmp_path / "other.pth")
    with pytest.raises(ADSError, match="Nothing in .*other.pth fits the model; name a checkpoint"):
        runner.load_checkpoint(str(tmp_path / "other.pth"))


def test_a_missing_one(tmp_path):
    with pytest.raises(ADSError, match="does not exist"):
        read_checkpoint(tmp_path / "gone.pth")
    assert newest_checkpoint(tmp_path) is None
