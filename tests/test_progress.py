"""What is seen of a long work where there is no terminal."""

import time

import pytest
from helpers import tiny_config
from mmengine.config import Config

from ads_det import console
from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.outlook import has_fixed_epochs, outlook
from ads_det.active.settings import Settings
from ads_det.console import ProgressLines, duration, progress_bar, seconds_left
from ads_det.engine.pace import Pace
from ads_det.files import write_json
from ads_det.work_files import RunFiles


def settings(**changed):
    block = dict(initial=10, budget=10, cycles=4, strategy="ads_det.Random", metric="m")
    return Settings(**block | changed)


def test_short_bars_share_one_clock_so_there_is_neither_flood_nor_silence(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    ProgressLines.touch()
    for part in range(10):
        for _ in progress_bar(range(5), f"part {part}"):
            now[0] += 1
    lines = capsys.readouterr().out.splitlines()
    assert 4 <= len(lines) <= 5  # 50 seconds, a line every 10
    assert lines[0].startswith("  part ") and " of 5" in lines[0]


def test_a_sentence_counts_as_a_sign_of_life(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    for step in progress_bar(range(9), "part"):
        now[0] += 4
        if step % 2 == 0:
            console.say("something")
    assert set(capsys.readouterr().out.split()) == {"something"}


def test_time_left_is_at_the_mean_rate_so_far():
    bar = ProgressLines(None, desc="train", total=50, initial=10)
    assert seconds_left(bar) is None
    bar.n, bar.start_t = 30, time.time() - 40  # 20 steps in 40 s, 20 to go
    assert seconds_left(bar) == pytest.approx(40, abs=1)
    assert [duration(s) for s in (89.4, 120, 7500)] == ["89 s", "2 min", "2 h 5 min"]


def test_the_run_is_expected_to_take_what_its_cycles_trained_and_scored(tmp_path):
    run = RunFiles(tmp_path)
    assert outlook(settings(), run, 0, 10, fixed=False) == dict(later=2 + 3 + 4, later_rest=0)
    assert outlook(settings(), run, 0, 10, fixed=True) == dict(later=3, later_rest=0)
    run.cycle(0).folder.mkdir()
    write_json(run.cycle(0).seconds_file, dict(lists=1.0, train=50.0, evaluate=3.0, select=4.0))
    expected = dict(rest=7.0, later=1.5 + 2, later_rest=14.0)
    assert outlook(settings(), run, 1, 20, fixed=False) == expected
    expected = dict(before=50.0, rest=7.0)
    assert outlook(settings(oracle="human"), run, 1, 20, fixed=True) == expected
    assert outlook(settings(), run, 1, 20, True, members=3) == {}
    sampler = dict(type="ads_det.FixedLengthSampler", num_samples=9)
    assert has_fixed_epochs(Config(dict(train_dataloader=dict(sampler=sampler))))
    assert not has_fixed_epochs(Config(dict(train_dataloader=dict())))


def test_epochs_with_phases_count_at_their_own_pace():
    """Six epochs, of which the third and the fifth are long: 2 s, and 2 + 5 s."""

    def walk(pace, epochs, start=0.0):
        now = start
        for epoch in epochs:
            now += 7 if epoch in (2, 4) else 2
            pace.end_epoch(now)
        return now

    pace = Pace(6, lambda epoch: epoch in (2, 4))
    pace.begin(0, 0.0)
    assert pace.left(0.5, 1.0) == (1 + 5 * 2, True)  # phases are still to be seen
    now = walk(pace, range(2))
    assert pace.left(0.5, now + 6) == (1 + 2 + 7 + 2, False)  # in the first long epoch
    now = walk(pace, [2], now)
    assert pace.left(0.5, now + 1) == (1 + 7 + 2, False)
    assert pace.whole(10, now + 1) == 4 * 2 + 2 * 7

    known = Pace(6, lambda epoch: epoch in (2, 4), before=22)
    known.begin(0, 0.0)
    assert known.left(0.5, 1.0) == (21, False)  # as long as the training before
    known.begin(3, 0.0)
    assert known.left(0.5, 1.0) == (22 / 2 - 1, False)
    assert known.whole(10, 1.0) == 22


def test_a_run_without_a_terminal_says_epoch_loss_and_time_left(
    digits, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(console, "LINE_SECONDS", 0)
    cfg = tiny_config(digits, **{"active_learning.cycles": 2})
    ActiveLearningLoop(cfg, tmp_path / "run").run()
    lines = capsys.readouterr().out.splitlines()
    first = next(line for line in lines if line.startswith("  train 2 "))
    # phases are to come, and nobody knows yet what they take
    assert "epoch 1 of 3, loss " in first and ", left: training more than " in first
    assert any(", left: training " in line and ", run " in line for line in lines)
    second = [line for line in lines if ", cycle " in line]
    assert second  # the first cycle says how long the rest of the second may take
    for stage in ("test", "score", "epoch 1 agreement", "epoch 1 discrepancy"):
        assert any(line.startswith(f"  {stage} ") for line in lines), stage
    monkeypatch.setattr(console, "LINE_SECONDS", 1000)
    (tmp_path / "run/cycle_01/metrics.json").unlink()
    ActiveLearningLoop(cfg, tmp_path / "run", resume=True).run()
    out = capsys.readouterr().out
    assert "goes on: 1 of 2 cycles finished, now the evaluation of cycle 2" in out
