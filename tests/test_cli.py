"""How a command ends, and what is said, whatever it meets."""

import errno
import io
import os
import re
import tempfile

import pytest
from processes import command, ended, of_the_package

from ads_det import crash
from ads_det.cli import prepared_streams, run_tool
from ads_det.registry import MODELS


def full_disk(args):
    raise OSError(errno.ENOSPC, "No space left on device", "runs/model.pth")


def no_memory(args):
    raise MemoryError


@pytest.mark.parametrize(
    ("main", "sentence"),
    [
        (full_disk, "runs/model.pth cannot be written"),
        (no_memory, "The memory does not suffice; correct that and run the command again"),
        (lambda args: os.stat("a\0b"), "A path holds a null byte, which no file name can"),
        (lambda args: MODELS.build(dict(type="Luck")), "Luck is not in the .*; correct its `type`"),
    ],
)
def test_what_the_user_can_correct_is_one_sentence(main, sentence, capsys):
    status, said = ended(main, capsys)
    assert status == 2
    assert re.search(sentence, said), said


@of_the_package
def broken_pipe(args):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        os.write(writer, b"x")
    finally:
        os.close(writer)


def test_a_broken_pipe_that_is_no_output_is_an_error_like_any_other(tmp_path, monkeypatch, capsys):
    """Such as that to a process that loads images."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    status, said = ended(broken_pipe, capsys)
    assert status == crash.STATUS and "BrokenPipeError" in said
    (file,) = tmp_path.glob("ads_det_crash_*.txt")
    assert str(file) in said and "in broken_pipe" in file.read_text()


def test_an_error_is_kept_where_there_is_a_place(tmp_path, monkeypatch, capsys):
    """In the folder of temporary files, else in the current one, else nowhere; a config that is
    gone is no hindrance."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    status, said = ended(of_the_package(lambda args: [][0]), capsys, "gone.py")
    (file,) = (tmp_path / "here").glob("ads_det_crash_*.txt")
    assert status == crash.STATUS and file.name in said
    kept = file.read_text()
    assert "IndexError" in kept and "--- config gone.py\ncannot be read: " in kept
    file.unlink()
    (tmp_path / "here").rmdir()
    status, said = ended(of_the_package(lambda args: [][0]), capsys)
    assert status == crash.STATUS and "its traceback, which no folder could take" in said


def test_a_command_that_computes_says_with_how_many_threads(monkeypatch, capsys):
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "1")  # to be restored
        monkeypatch.delenv(name)
    numbers = []
    main = command(lambda args: numbers.append(args.threads), COMPUTES=True, LIGHT=True)
    run_tool(main, [], "ads-det command")
    assert "OMP_NUM_THREADS overrides." in capsys.readouterr().out
    assert numbers == [int(os.environ["OMP_NUM_THREADS"])] and numbers[0] >= 1
    run_tool(main, [], "ads-det command")  # now it is the user's
    assert capsys.readouterr().out == "Working ...\n" and numbers[1] is None


def test_a_stream_in_memory_is_written_to_as_it_is(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    with prepared_streams():
        print("a line")
    assert stream.getvalue() == "a line\n"
