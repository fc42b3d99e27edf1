"""``ads-det status``, and runs that go on with their stored config."""

import shutil

import pytest

from ads_det import threads
from ads_det.cli import run_tool
from ads_det.commands import status
from ads_det.commands.status import status_lines
from ads_det.commands.words import next_command
from ads_det.errors import ADSError
from ads_det.files import read_json, write_json
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.store import LabelStore
from ads_det.threads import busy_cores, choose_threads, threads_for, usable_cores
from ads_det.work_files import RunFiles


def test_a_finished_run_is_told_with_its_numbers_and_the_command_for_more(finished):
    lines = status_lines(RunFiles(finished), ["ads-det", "status"])
    assert lines[0] == "12 of 40 images are labelled."
    assert lines[1].startswith("Cycle 3 of 3: pascal_voc/mAP 0.")
    assert lines[2].startswith("Time used by finished stages: ")
    assert "is finished: all 3 cycles" in lines[3]
    assert lines[4].endswith(f"ads-det run --work-dir {finished} --resume --cycles 4")


def test_whose_turn_it_is(finished, tmp_path):
    work_dir = tmp_path / "run"
    shutil.copytree(finished, work_dir)
    (work_dir / "cycle_02/metrics.json").unlink()
    said = "\n".join(status_lines(RunFiles(work_dir), ["python", "tools/al_loop.py"]))
    assert "The machine's turn" in said and "now the evaluation of cycle 3" in said
    assert f"Next: python tools/al_loop.py --work-dir {work_dir} --resume" in said
    config = read_json(work_dir / "config.json")
    config["active_learning"]["oracle"] = "human"
    config["pool"]["labels"] = str(tmp_path / "none yet")
    write_json(work_dir / "config.json", config)
    (work_dir / "cycle_02/to_label").mkdir()
    said = "\n".join(status_lines(RunFiles(work_dir), ["ads-det", "status"]))
    assert f"Your turn: label {work_dir}/cycle_02/to_label" in said
    assert f"Next: ads-det import {work_dir} EXPORTED_FILE" in said
    # labels that were imported, but not trained on
    picks = ["a.jpg", "b.jpg"]
    (work_dir / "cycle_02/picks.txt").write_text("".join(f"{name}\n" for name in picks))
    config["pool"]["labels"] = str(tmp_path / "labels")
    write_json(work_dir / "config.json", config)
    store, images = LabelStore(tmp_path / "labels"), [ImageLabels(n, 9, 9) for n in picks]
    store.add(images[:1], ["cat"], "cycle_02")
    said = "\n".join(status_lines(RunFiles(work_dir), ["ads-det", "status"]))
    assert f"Your turn: label 1 of the 2 images in {work_dir}" in said
    store.add(images[1:], ["cat"], "cycle_02")
    said = status_lines(RunFiles(work_dir), ["ads-det", "status"])
    assert "The machine's turn. The batch cycle_02 has its labels" in said[-2]
    assert said[-1] == f"Next: ads-det run --work-dir {work_dir} --resume"


def test_a_batch_that_its_owner_closed_is_the_machines_turn(finished, tmp_path):
    work_dir = tmp_path / "run"
    shutil.copytree(finished, work_dir)
    config = read_json(work_dir / "config.json")
    config["active_learning"]["oracle"] = "human"
    config["pool"]["labels"] = str(tmp_path / "labels")
    write_json(work_dir / "config.json", config)
    (work_dir / "cycle_02/to_label").mkdir()
    (work_dir / "cycle_02/picks.txt").write_text("a.jpg\nb.jpg\n")
    store, images = LabelStore(tmp_path / "labels"), [ImageLabels("a.jpg", 9, 9)]
    store.add(images, ["cat"], "cycle_02", ["a.jpg", "b.jpg"])
    said = status_lines(RunFiles(work_dir), ["ads-det", "status"])
    assert "The machine's turn. The batch cycle_02 has its labels" in said[-2]
    config["pool"]["labels"] = ["no path"]  # as a hand may have changed it
    write_json(work_dir / "config.json", config)
    said = status_lines(RunFiles(work_dir), ["ads-det", "status"])
    assert f"Your turn: label {work_dir}/cycle_02/to_label" in said[-3]


def test_a_run_that_has_finished_nothing_tells_neither_result_nor_time(finished, tmp_path):
    for name in ("config.json", "pool.json"):
        shutil.copy(finished / name, tmp_path)
    said = status_lines(RunFiles(tmp_path), ["ads-det", "status"])
    assert said[0] == "12 of 40 images are labelled."
    assert said[1].startswith("The machine's turn. ") and len(said) == 3


def test_the_command_prints_the_lines_of_the_run_that_it_names(finished, tmp_path, capsys):
    run_tool(status, [str(finished)], "ads-det status")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Reading {finished} ..."
    assert lines[1:] == status_lines(RunFiles(finished), ["ads-det", "status"])
    with pytest.raises(SystemExit):
        run_tool(status, [str(tmp_path)], "ads-det status")
    assert f"error: {tmp_path} holds no run" in capsys.readouterr().err


def test_the_next_command_is_written_as_this_one():
    assert next_command(["ads-det", "import"], "run", "a b") == "ads-det run 'a b'"
    typed = ["python", "tools/import_labels.py", "x"]
    assert next_command(typed, "run", "x") == "python tools/al_loop.py x"


def test_a_run_goes_on_with_its_stored_config(finished, tmp_path, run, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    work_dir = tmp_path / "run"
    shutil.copytree(finished, work_dir)
    (work_dir / "cycle_02/metrics.json").unlink()
    status, out, err = run("al_loop.py", "--work-dir", work_dir, "--resume")
    assert status == 0, err
    assert "goes on: 2 of 3 cycles finished, now the evaluation of cycle 3" in out
    assert "One more: python" in out and out.rstrip().endswith("--resume --cycles 4")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "No config is given"), (["--resume", "--work-dir", "gone"], "gone holds no run")],
)
def test_without_a_config_there_must_be_a_run(run, arguments, message):
    status, _, err = run("al_loop.py", *arguments)
    assert status == 2 and message in err and err.count("\n") == 1


def test_threads_are_those_of_the_free_cores_unless_the_user_chose(tmp_path):
    assert [threads_for(2, 2, busy) for busy in (0.2, 1.1, 7)] == [2, 1, 1]
    assert threads_for(2, 64, 30) == 2 and threads_for(64, 64, 0) == 4
    environment = {"OMP_NUM_THREADS": "3"}
    assert choose_threads(environment) is None and environment["OMP_NUM_THREADS"] == "3"
    environment = {"LOCAL_WORLD_SIZE": "1000"}
    chosen = choose_threads(environment)
    assert chosen.number == 1 and environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert (
        environment["OMP_NUM_THREADS"] == "1" and len(f"{chosen} OMP_NUM_THREADS overrides.") < 80
    )
    quota = tmp_path / "cpu.max"
    quota.write_text("100000 100000\n")
    assert usable_cores(quota) == 1
    quota.write_text("max 100000\n")
    assert usable_cores(quota) == usable_cores(tmp_path / "none")


def test_busy_cores_are_those_of_now(tmp_path, monkeypatch):
    """Of 40 ticks on two cores 10 were idle and 6 waited for a disk: 1.2 cores worked."""
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 500 40 1 2 3 0 0\ncpu0 0\n")

    def work(_):
        stat.write_text("cpu  115 20 39 510 46 1 2 3 0 0\ncpu0 0\n")

    monkeypatch.setattr(threads.time, "sleep", work)
    monkeypatch.setattr(threads.os, "getloadavg", lambda: (7.0, 0, 0))
    assert busy_cores(2, stat) == pytest.approx(1.2)
    # without an account, or one that stands still, as some containers have it
    assert busy_cores(2, stat) == busy_cores(2, tmp_path / "none") == 7.0
    stat.write_text("")
    assert busy_cores(2, stat) == 7.0


@pytest.mark.parametrize("content", ["", "two", "0", "12345", "1 2"])
def test_a_damaged_note_of_the_threads_is_named(content, tmp_path):
    from ads_det.active.run_threads import keep_threads

    path = RunFiles(tmp_path).threads
    path.write_text(content)
    with pytest.raises(ADSError, match=f"{path.name}.*no number of threads"):
        keep_threads(tmp_path, 1)


def test_a_run_keeps_the_threads_it_began_with(tmp_path, capsys):
    import torch

    from ads_det.active.run_threads import keep_threads

    before = torch.get_num_threads()
    try:
        keep_threads(tmp_path, 2)
        assert torch.get_num_threads() == 2 and not capsys.readouterr().out
        keep_threads(tmp_path, 1)
        assert torch.get_num_threads() == 2 and "keeps to that" in capsys.readouterr().out
        torch.set_num_threads(1)
        keep_threads(tmp_path, None)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
