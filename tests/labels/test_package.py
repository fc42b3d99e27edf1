"""The folder that an annotator works with, and the images in it."""

import os
from pathlib import Path

import pytest
from PIL import Image

from ads_det.errors import ADSError
from ads_det.labels.package import write_package


def photo(path: Path, colour: str = "red") -> str:
    Image.new("RGB", (20, 10), colour).save(path)
    return str(path)


def test_where_nothing_can_be_written_one_sentence_says_so(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ADSError, match="to_label cannot be written"):
        write_package(tmp_path / "file/to_label", {}, {}, {}, ["x"])
    with pytest.raises(ADSError, match="to_label cannot be written .No such file"):
        write_package(tmp_path / "to_label", {"a.png": str(tmp_path / "a.png")}, {}, {}, ["x"])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_images_of_another_disk_are_copied(tmp_path):
    disk = Path("/dev/shm")
    if not os.access(disk, os.W_OK) or os.stat(disk).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is no other disk")
    source = disk / f"ads_det_test_{os.getpid()}.png"
    try:
        write_package(tmp_path / "to_label", {"a.png": photo(source)}, {}, {}, ["x"])
        copy = tmp_path / "to_label/images/a.png"
        assert copy.read_bytes() == source.read_bytes() and not copy.samefile(source)
    finally:
        source.unlink()


@pytest.mark.parametrize("orientation", [1, 6])
def test_two_images_of_one_name_are_refused_and_stay_as_they_are(tmp_path, orientation):
    """As VOC's ids `a` and `a.jpg` would be; the second is not written over the first."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    paths = {"a": photo(tmp_path / "a.jpg"), "a.jpg": str(tmp_path / "a.jpg.jpg")}
    Image.new("RGB", (20, 10), "blue").save(paths["a.jpg"], exif=exif)
    before = Path(paths["a"]).read_bytes()
    with pytest.raises(ADSError, match="Two images would be 'a.jpg'"):
        write_package(tmp_path / "to_label", paths, {}, {}, ["x"])
    assert Path(paths["a"]).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "a.jpg.jpg"]
