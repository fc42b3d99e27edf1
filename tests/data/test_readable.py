import os

import numpy as np
import pytest
from PIL import Image

from ads_det.data.readable import (
    find_unreadable,
    list_images,
    loader_refuses,
    why_unreadable,
)
from ads_det.errors import ADSError


@pytest.fixture
def image():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif", ".webp"])
def test_whole_and_truncated(image, tmp_path, suffix):
    whole, half = tmp_path / f"whole{suffix}", tmp_path / f"half{suffix}"
    image.save(whole)
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert why_unreadable(str(whole)) is None
    assert why_unreadable(str(half))
    assert not loader_refuses(str(whole)) and loader_refuses(str(half))


def test_the_reason_is_told_and_the_path_is_not_repeated(image, tmp_path):
    image.save(tmp_path / "good.jpg")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.png").write_text("hello")
    paths = {name: str(tmp_path / name) for name in ("good.jpg", "empty.jpg", "text.png", "gone")}
    found = find_unreadable(paths)
    assert set(found) == {"empty.jpg", "text.png", "gone"}
    assert "cannot identify" in found["text.png"] and str(tmp_path) not in found["text.png"]
    assert find_unreadable({}) == {}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_of_many_images_those_that_are_cut_off_are_found(image, tmp_path, suffix, monkeypatch):
    monkeypatch.setattr("ads_det.data.readable._DECODED", 2)
    paths = {name: tmp_path / f"{name}{suffix}" for name in ("whole", "cut", "more")}
    for path in paths.values():
        image.save(path)
    paths["cut"].write_bytes(paths["cut"].read_bytes()[:-200])
    paths["empty"] = tmp_path / f"empty{suffix}"
    paths["empty"].touch()
    with open(paths["more"], "ab") as file:
        file.write(bytes(500))  # what some cameras write behind the image
    paths["pipe"] = tmp_path / f"pipe{suffix}"
    os.mkfifo(paths["pipe"])  # nobody would ever write to it
    found = find_unreadable({name: str(path) for name, path in paths.items()})
    assert set(found) == {"cut", "empty", "pipe"} and "named pipe" in found["pipe"]


def test_a_link_that_leads_back_is_followed_once(image, tmp_path):
    (tmp_path / "pool/day").mkdir(parents=True)
    image.save(tmp_path / "pool/day/a.png")
    (tmp_path / "pool/day/back").symlink_to(tmp_path / "pool")
    (tmp_path / "more").mkdir()
    image.save(tmp_path / "more/b.png")
    (tmp_path / "pool/linked").symlink_to(tmp_path / "more")
    assert list(list_images(tmp_path / "pool")) == ["day/a.png", "linked/b.png"]


@pytest.mark.parametrize("name", [" a.png", "b\n.png", "c\x07.png", "d\u2028.png", "e\udcff.png"])
def test_a_name_that_no_list_can_hold_is_refused(image, tmp_path, name):
    image.save(tmp_path / "good\u00ad\ue000.png")  # strange, and yet a text of one line
    assert len(list_images(tmp_path)) == 1
    (tmp_path / "good\u00ad\ue000.png").rename(tmp_path / name)
    with pytest.raises(ADSError, match="blank at the end of its name or a character that") as error:
        list_images(tmp_path)
    assert repr(name) in str(error.value)
