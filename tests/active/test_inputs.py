"""Files that changed while a cycle trained on them."""

import shutil

import cv2
import numpy as np
import pytest

from ads_det.active.inputs import check_inputs, note_inputs
from ads_det.data.class_folders import ClassFolderDataset
from ads_det.errors import ADSError
from ads_det.files import write_ids
from ads_det.work_files import CycleFiles


@pytest.fixture
def folders(tmp_path):
    """Two class folders with two images each."""
    for i, name in enumerate(["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]):
        path = tmp_path / "pets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((8, 8, 3), 40 * i, np.uint8))
    return ClassFolderDataset(str(tmp_path / "pets"), 8)


def begun(tmp_path, images, ids):
    """A cycle that has noted its images."""
    files = CycleFiles(tmp_path / "cycle_00")
    note_inputs(files, images, ids)
    write_ids(files.labeled_list, ids)
    (files.folder / "train").mkdir()
    (files.folder / "train/epoch_1.pth").touch()
    check_inputs(files, images)
    return files


def test_an_image_of_a_class_folder_that_changed_is_named(folders, tmp_path):
    files = begun(tmp_path, folders, ["dog/1.png", "cat/0.png"])
    path = tmp_path / "pets/cat/1.png"
    shutil.copy(tmp_path / "pets/cat/0.png", path)  # the cycle has not trained on it
    check_inputs(files, folders)
    shutil.copy(tmp_path / "pets/cat/0.png", tmp_path / "pets/dog/1.png")
    with pytest.raises(ADSError, match="dog/1.png was changed after .*cycle_00 had begun"):
        check_inputs(files, folders)


def test_a_file_that_is_gone_counts_as_changed(folders, tmp_path):
    files = begun(tmp_path, folders, ["cat/0.png", "dog/0.png"])
    (tmp_path / "pets/dog/0.png").unlink()
    with pytest.raises(ADSError, match="dog/0.png was changed .*; restore it"):
        check_inputs(files, folders)


def test_weights_that_a_training_began_with_are_noted(folders, tmp_path):
    files, weights = CycleFiles(tmp_path / "cycle_00"), tmp_path / "start.pth"
    weights.write_bytes(b"one")
    note_inputs(files, folders, ["dog/1.png"], [weights])
    write_ids(files.labeled_list, ["dog/1.png"])
    (files.folder / "train").mkdir()
    (files.folder / "train/epoch_1.pth").touch()
    check_inputs(files, folders)
    weights.write_bytes(b"two")
    with pytest.raises(ADSError, match=f"{weights} was changed after"):
        check_inputs(files, folders)


def test_a_note_that_cannot_be_read_is_named_and_without_one_nothing_is_compared(folders, tmp_path):
    files = begun(tmp_path, folders, ["cat/0.png"])
    files.inputs.write_bytes(b"\xff\xfe")
    with pytest.raises(ADSError, match=f"{files.inputs} cannot be read .*; delete it"):
        check_inputs(files, folders)
    files.inputs.unlink()
    shutil.copy(tmp_path / "pets/dog/0.png", tmp_path / "pets/cat/0.png")
    check_inputs(files, folders)


def test_what_changed_before_anything_was_trained_is_noted_anew(folders, tmp_path):
    """A broken image that was restored, for one."""
    files, path = CycleFiles(tmp_path / "cycle_00"), tmp_path / "pets/dog/0.png"
    good = path.read_bytes()
    path.write_bytes(good[:50])
    note_inputs(files, folders, ["dog/0.png"])
    write_ids(files.labeled_list, ["dog/0.png"])
    path.write_bytes(good)
    check_inputs(files, folders)
    note_inputs(files, folders, ["dog/0.png"])
    (files.folder / "model.pth").touch()
    check_inputs(files, folders)
    path.write_bytes(good[:50])
    note_inputs(files, folders, ["dog/0.png"])
    with pytest.raises(ADSError, match="dog/0.png was changed after"):
        check_inputs(files, folders)
