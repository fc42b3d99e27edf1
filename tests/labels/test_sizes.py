"""The size that boxes are given for is that of the image a training sees."""

import mmcv
import numpy as np
import pytest
from PIL import Image

from ads_det.labels.package import write_package
from ads_det.labels.sizes import is_turned, known_size, open_upright, read_upright, upright_size


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "bmp"])
@pytest.mark.parametrize("orientation", [None, 1, 2, 3, 5, 6, 8])
def test_the_size_is_what_mmcv_loads(tmp_path, suffix, orientation):
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    image = Image.new("RGB", (40, 20), "red")
    image.save(path, **({} if suffix == "bmp" else {"exif": exif}))
    height, width = mmcv.imread(str(path)).shape[:2]
    assert upright_size(path) == (width, height)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_package_shows_turned_images_upright(tmp_path, orientation):
    """Whatever the annotation tool thinks of the tag."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.new("RGB", (40, 20), "red")
    image.paste("blue", (0, 0, 10, 10))
    image.save(tmp_path / "a.png", exif=exif)
    write_package(tmp_path / "to_label", {"a.png": str(tmp_path / "a.png")}, {}, {}, ["x"])
    copy = tmp_path / "to_label/images/a.png"
    assert not is_turned(copy)
    shown, trained = mmcv.imread(str(copy)), mmcv.imread(str(tmp_path / "a.png"))
    assert (shown == trained).all()
    assert copy.samefile(tmp_path / "a.png") == (orientation == 1)


def test_what_cannot_be_read_has_no_size(tmp_path):
    (tmp_path / "a.jpg").write_text("no image")
    assert upright_size(tmp_path / "a.jpg") == (0, 0) and not is_turned(tmp_path / "a.jpg")
    assert known_size(str(tmp_path / "gone.jpg")) == (0, 0)


def test_an_image_of_16_bits_looks_as_opencv_reads_it(tmp_path):
    pixels = np.arange(0, 2**16, 2**6, dtype=np.uint16).reshape(32, 32)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    shown = np.asarray(open_upright(tmp_path / "a.png"))
    assert (shown == read_upright(tmp_path / "a.png")).all() and shown.max() == 255


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_header_of_a_jpeg_says_what_pillow_says(tmp_path, mode):
    path = tmp_path / "a.jpg"
    for options in ({}, dict(progressive=True), dict(comment="c" * 5000), dict(dpi=(72, 72))):
        Image.new(mode, (300, 7)).save(path, **options)
        assert upright_size(path) == (300, 7)
        data = path.read_bytes()
        for end in (0, 1, 2, 20, 100, 170, len(data) // 2):  # cut, no other size
            path.write_bytes(data[:end])
            try:
                with Image.open(path) as image:
                    expected = image.size
            except OSError:
                expected = 0, 0
            assert upright_size(path) in (expected, (300, 7))
