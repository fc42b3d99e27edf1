"""Folders that cannot be locked."""

import errno
import fcntl

import pytest

from ads_det.lock import lock_folder


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone"):
        lock_folder(tmp_path / "gone")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_on_a_file_system_without_locks_the_work_goes_on(tmp_path, monkeypatch, number):
    def lockf(*args):  # no file system here lacks them
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "lockf", lockf)
    with lock_folder(tmp_path):
        assert (tmp_path / ".lock").exists()
