"""How a command ends that meets what nobody foresaw, and what is tried before one begins."""

import gc
import os
import signal
import subprocess
import sys
import time
from importlib import import_module

import pytest
import torch
from helpers import CONFIGS, dump_config, tiny_config
from processes import ended, of_the_package
from torch.utils.data import DataLoader, Dataset

from ads_det import crash
from ads_det.active.settings import load_config
from ads_det.engine import watched_loader
from ads_det.engine.dry_forward import try_step
from ads_det.engine.runner import LOADER_TIMEOUT, CycleRunner
from ads_det.errors import ADSError
from ads_det.files import write_ids
from ads_det.work_files import CycleFiles


def test_an_error_of_the_program_is_kept_in_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    config = tmp_path / "own.py"
    config.write_text("budget = 3  # mine\n")
    status, said = ended(of_the_package(lambda args: {}["no such key"]), capsys, str(config))
    assert status == crash.STATUS == 70
    (file,) = tmp_path.glob("ads_det_crash_*.txt")
    assert str(file) in said and "KeyError" in said
    kept = file.read_text()
    for part in ("Traceback", "no such key", "ads-det command", "torch ", "budget = 3  # mine"):
        assert part in kept


def test_an_error_of_a_users_own_module_names_its_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "odd.py").write_text("import json\n\ndef measure(text):\n    json.loads(text)\n")
    monkeypatch.syspath_prepend(tmp_path)
    status, said = ended(lambda args: import_module("odd").measure("{"), capsys, "a.py")
    (file,) = tmp_path.glob("ads_det_crash_*.txt")
    assert (
        status == 2 and f"error: {tmp_path / 'odd.py'}, line 4, in measure: JSONDecodeErr" in said
    )
    assert "is not of ads_det; correct it there" in said and str(file) in said


@pytest.mark.parametrize("place", ["lib64/site-packages/other.py", "src/mmdet/other.py"])
def test_an_error_of_another_package_is_no_users_file(tmp_path, monkeypatch, capsys, place):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    module = tmp_path / place
    module.parent.mkdir(parents=True)
    module.write_text("def fail():\n    {}['no such key']\n")
    names = {"__name__": "mmdet.other" if "mmdet" in place else "other"}
    exec(compile(module.read_text(), str(module), "exec"), names)
    failing = of_the_package(lambda args: names["fail"]())
    assert ended(failing, capsys)[0] == crash.STATUS


def test_a_process_ends_with_the_one_that_started_it(tmp_path):
    child = (
        "import time; from pathlib import Path; from ads_det.parent import end_with_parent;"
        f"end_with_parent(); Path({str(tmp_path / 'ready')!r}).touch(); time.sleep(60)"
    )
    parent = (
        "import os, subprocess, sys, time; from ads_det.parent import PARENT;"
        f"p = subprocess.Popen([sys.executable, '-c', {child!r}],"
        "env=os.environ | {PARENT: str(os.getpid())}); print(p.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        pid = int(process.stdout.readline())
        while not (tmp_path / "ready").exists():
            time.sleep(0.01)
        process.kill()
    for _ in range(500):
        try:
            with open(f"/proc/{pid}/stat") as file:  # a process that nobody waits for is a zombie
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    break
        except OSError:  # gone, perhaps while it is read
            break
        time.sleep(0.01)
    else:
        os.kill(pid, signal.SIGKILL)
        pytest.fail("the child lives on")


class Ending(Dataset):
    """Its workers get a signal at the first image."""

    def __init__(self, number):
        self.number = number

    def __len__(self):
        return 2

    def __getitem__(self, index):
        os.kill(os.getpid(), self.number)
        return torch.zeros(1)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(signal.SIGKILL, "was ended from outside"), (signal.SIGSTOP, "gave none for the loader's")],
)
def test_a_worker_that_is_killed_or_stopped_ends_a_run_with_a_sentence(number, sentence, capsys):
    batches = iter(DataLoader(Ending(number), num_workers=1, timeout=1))
    status, said = ended(lambda args: list(batches), capsys)
    assert status == 2 and sentence in said and "--resume" in said
    assert batches._shutdown  # to end its workers would wait for a queue that may be locked
    if number == signal.SIGKILL:  # the end of a second one interrupts nothing that is said
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
    gc.collect()  # torch would speak of the dead worker at the next end of any process


def test_a_worker_whose_end_was_not_heard_of(monkeypatch, capsys):
    """As one that is killed before torch listens; the loader would wait for its ten minutes."""
    monkeypatch.setattr(watched_loader, "LOOK", 0.2)
    sampler = dict(type="DefaultSampler", shuffle=False)
    config = dict(batch_size=1, num_workers=1, sampler=sampler, dataset=Ending(signal.SIGKILL))
    batches = iter(CycleRunner.build_dataloader(config))
    heard = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        status, said = ended(lambda args: list(batches), capsys)
    finally:
        signal.signal(signal.SIGCHLD, heard)
    assert status == 2 and "was ended from outside" in said


def test_a_worker_that_ends_while_it_hands_over_a_tensor(capsys):
    def fetch(args):
        from multiprocessing import resource_sharer

        shared = resource_sharer.DupFd(0)
        resource_sharer.stop()
        shared.detach()

    status, said = ended(fetch, capsys)
    assert status == 2 and "was ended from outside" in said


def test_loaders_with_workers_wait_for_a_time():
    sampler = dict(type="DefaultSampler", shuffle=False)
    for workers, given, expected in ((0, {}, 0), (1, {}, LOADER_TIMEOUT), (1, dict(timeout=7), 7)):
        config = dict(batch_size=1, num_workers=workers, sampler=sampler, **given)
        loader = CycleRunner.build_dataloader(dict(config, dataset=Ending(0)))
        assert loader.timeout == expected


def test_picks_without_scores_are_refused(tmp_path):
    files = CycleFiles(tmp_path)
    assert files.scores() == {}
    write_ids(files.picks_list, ["a"])
    with pytest.raises(ADSError, match="scores.csv is missing although picks.txt exists"):
        files.scores()


WIDE = {"model.bbox_head.in_channels": (32, 64, 128, 65)}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ssd_digits_ads.py", WIDE),
        ("ssd300_voc_ads.py", {"model.bbox_head.in_channels": (512, 1024, 512, 256, 256, 257)}),
        ("ssd_digits_ads.py", {"model.neck.in_channels": (32, 65, 128)}),
        ("ssd_digits_ads.py", {"model.train_cfg.neg_pos_ratio": "three"}),
    ],
)
def test_layers_that_do_not_fit_show_before_the_run(name, options):
    with pytest.raises(ADSError, match="model"):
        try_step(load_config(CONFIGS / name, options))


def test_a_step_is_quick_and_leaves_no_trace():
    for name in ("ssd_digits_ads.py", "ssd300_voc_ads.py", "resnet8_digits_ads.py"):
        cfg = load_config(CONFIGS / name)
        state, start = torch.get_rng_state(), time.process_time()
        try_step(cfg)
        assert time.process_time() - start < 3  # of them one second on an idle machine
        assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("tool", ["al_loop.py", "train.py", "benchmark.py"])
def test_check_only_tries_the_config(tool, digits, run, tmp_path):
    dump_config(tiny_config(digits), tmp_path / "tiny.py")
    write_ids(tmp_path / "ids.txt", ["000001"])
    words = ["tiny.py", *(["ids.txt"] if tool == "train.py" else []), "--work-dir", "w", "--check"]
    before = set(tmp_path.iterdir())
    status, out, err = run(tool, *words)
    assert status == 0 and "is in order" in out, err
    options = ["--cfg-options", "model.bbox_head.in_channels=(16,32,33)"]
    status, out, err = run(tool, *words, *options)
    assert status == 2 and err.startswith("error: model") and err.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("content", ["[]", "{}", "3", '{"seed": 0}', "[" * 10**5])
def test_a_state_of_a_training_of_another_shape(content, digits, run, tmp_path):
    dump_config(tiny_config(digits), tmp_path / "tiny.py")
    write_ids(tmp_path / "ids.txt", ["000001"])
    (tmp_path / "w").mkdir()
    (tmp_path / "w/training.json").write_text(content)
    status, _, err = run("train.py", "tiny.py", "ids.txt", "--work-dir", "w")
    assert status == 2 and "training.json" in err and err.count("\n") == 1
    assert content == (tmp_path / "w/training.json").read_text()


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_special_files_in_a_config_are_not_opened(kind, tmp_path):
    place = tmp_path / "classes.txt"
    os.mkfifo(place) if kind == "pipe" else place.symlink_to("/dev/zero")
    for key in ("pool.metainfo.classes", "load_from"):
        with pytest.raises(ADSError, match=f"{key} is .*a .*{kind}"):
            load_config(CONFIGS / "ssd_digits_ads.py", {key: str(place)})
