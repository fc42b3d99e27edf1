"""The size that boxes are given for is that of the image a training sees."""

import mmcv
import numpy as np
import pytest
from PIL import Image

from ads_det.data.reduced import find_reduced
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


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_an_image_of_32_bits_is_refused(tmp_path, kind):
    pixels = np.linspace(0, 200_000, 1024).reshape(32, 32).astype(kind)
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="32 bits; convert it to 8 or 16"):
        open_upright(tmp_path / "a.tif")


def test_images_of_which_little_is_seen_are_named(tmp_path):
    gray = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    pages = [Image.new("L", (9, 9), level) for level in (0, 99)]
    for name in ("dark.tif", "dark.png"):
        Image.fromarray(gray * 4).save(tmp_path / name)
    for name in ("pages.tif", "moving.png", "moving.webp"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "plain.png")
    (tmp_path / "none.png").write_bytes(b"no image")
    dark = {name: str(tmp_path / name) for name in ("dark.tif", "dark.png", "none.png")}
    paged = ("pages.tif", "moving.png", "moving.webp", "plain.png")
    (said,) = find_reduced(dark)
    assert said.startswith("2 image(s), such as 'dark.tif', have 16 bits") and "at most 15" in said
    (said,) = find_reduced({name: str(tmp_path / name) for name in paged})
    assert said.startswith("3 image(s), such as 'pages.tif', have several pages")
    Image.fromarray(gray * 64).save(tmp_path / "bright.png")
    for name in "bright.png", "b2.png", "b3.png":
        dark[name] = str(tmp_path / "bright.png")
    assert not find_reduced(dark)


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


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("tag", ["exif", "xmp"])
def test_a_picture_is_turned_as_the_image_is_that_the_model_sees(tmp_path, suffix, tag):
    """Pillow obeys tags that OpenCV does not; boxes are of what OpenCV loads."""
    path, image = tmp_path / f"a.{suffix}", Image.new("RGB", (40, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(path, **({"exif": exif} if tag == "exif" else {"xmp": _XMP}))
    height, width = read_upright(path).shape[:2]
    assert open_upright(path).size == (width, height) == upright_size(path)


_XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>"""
