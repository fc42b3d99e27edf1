import numpy as np
import pytest
from PIL import Image

from ads_det.data.readable import find_unreadable, loader_refuses, why_unreadable


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
    found = find_unreadable({name: str(path) for name, path in paths.items()})
    assert set(found) == {"cut", "empty"}
