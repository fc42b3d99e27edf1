"""Loading and resizing in one step."""

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose
from PIL import Image

from ads_det.data.load_resized import LoadResized
from ads_det.engine.dry_pipeline import try_pipeline
from ads_det.errors import ADSError

BOX = dict(bbox=[20.0, 10.0, 90.0, 60.0], bbox_label=0, ignore_flag=0)
ANNOTATIONS = dict(type="mmdet.LoadAnnotations", with_bbox=True)


def photo(path, width, height, **options):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path, **options)
    return path


def load(path, *steps):
    item = dict(img_path=str(path), instances=[BOX])
    return Compose([dict(step) for step in steps])(item)


def both(scale):
    """The transform, and the two that it stands for, with boxes loaded before."""
    old = [dict(type="LoadImageFromFile"), dict(type="mmdet.Resize", scale=scale, keep_ratio=False)]
    return [ANNOTATIONS, dict(type="ads_det.LoadResized", scale=scale)], [ANNOTATIONS, *old]


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_of_images_that_are_not_much_larger_it_gives_the_same(name, tmp_path):
    path = photo(tmp_path / name, 160, 120)
    new, old = (load(path, *steps) for steps in both((64, 64)))
    assert np.array_equal(new["img"], old["img"])
    assert np.array_equal(new["gt_bboxes"].tensor, old["gt_bboxes"].tensor)
    for key in ("img_shape", "ori_shape", "scale", "keep_ratio"):
        assert new[key] == old[key]
    assert new["scale_factor"] == pytest.approx(old["scale_factor"])
    assert np.allclose(new["homography_matrix"], old["homography_matrix"])


def test_a_large_photo_is_decoded_at_a_reduced_scale_and_boxes_stay_right(tmp_path, monkeypatch):
    path = photo(tmp_path / "a.jpg", 1200, 900, quality=95)
    new, old = (load(path, *steps) for steps in both((64, 64)))
    assert new["ori_shape"] == (900, 1200) and new["img_shape"] == (64, 64)
    assert np.array_equal(new["gt_bboxes"].tensor, old["gt_bboxes"].tensor)
    # what one pixel of many stood for before is a mean of all now
    averaged = cv2.resize(cv2.imread(str(path)), (64, 64), interpolation=cv2.INTER_AREA)
    errors = [np.abs(x["img"].astype(float) - averaged).mean() for x in (new, old)]
    assert errors[0] < 0.9 * errors[1]
    flags = []
    monkeypatch.setattr(cv2, "imdecode", lambda _, flag: flags.append(flag) or new["img"])
    load(path, *both((64, 64))[0])
    assert flags == [cv2.IMREAD_REDUCED_COLOR_4]  # 300 x 225: an eighth would be less than twice


def test_the_orientation_tag_is_obeyed(tmp_path):
    tag = Image.Exif()
    tag[0x0112] = 6  # a quarter turn
    path = photo(tmp_path / "a.jpg", 1200, 600, exif=tag, quality=95)
    found = load(path, dict(type="ads_det.LoadResized", scale=(64, 64)))
    assert found["ori_shape"] == (1200, 600)
    assert found["scale_factor"] == (64 / 600, 64 / 1200)
    whole = cv2.resize(cv2.imread(str(path)), (64, 64), interpolation=cv2.INTER_AREA)
    error, turned = (np.abs(found["img"] - x.astype(float)).mean() for x in (whole, whole[::-1]))
    assert error < turned / 2


def test_the_cache_gives_the_same_pixels_within_its_bound(tmp_path):
    paths = [photo(tmp_path / f"{i}.png", 80, 80) for i in range(2)]
    transform = LoadResized((64, 64), cache_mib=64 * 64 * 3 / 2**20)  # room for one
    first = [transform.transform(dict(img_path=str(path)))["img"] for path in paths]
    first[0][:] = 0  # a later transform writes to it
    for path in paths:
        path.unlink()
    again = transform.transform(dict(img_path=str(paths[0])))
    assert np.array_equal(again["img"], first[1]) and again["ori_shape"] == (80, 80)
    with pytest.raises(OSError):
        transform.transform(dict(img_path=str(paths[1])))


@pytest.mark.parametrize("value", [-1, True, "512"])
def test_a_bound_without_meaning_is_refused(value):
    with pytest.raises(ADSError, match="cache_mib"):
        LoadResized((64, 64), cache_mib=value)


def test_its_text_in_a_pipeline_names_the_scale():
    assert "\n    LoadResized(scale=(64, 48))\n" in repr(Compose([LoadResized((64, 48))]))


def test_the_dry_run_wants_an_image_to_be_loaded():
    pack = dict(type="mmdet.PackDetInputs")
    resized = dict(type="ads_det.LoadResized", scale=(64, 32))
    for steps in ([ANNOTATIONS, resized, pack], [resized, ANNOTATIONS, pack]):
        assert try_pipeline(steps, "pipeline")["inputs"].shape == (3, 32, 64)
    resize = dict(type="mmdet.Resize", scale=(64, 32))
    with pytest.raises(ADSError, match=r"pipeline\[[12]\]"):
        try_pipeline([ANNOTATIONS, resize, pack], "pipeline")


def folder_cache(tmp_path, mib=1.0):
    return LoadResized((64, 64), cache_mib=mib, cache_dir=str(tmp_path / "cache"))


def cached_files(tmp_path):
    return sorted((tmp_path / "cache").rglob("*.image"))


def pixels_of(transform, path):
    return transform.transform(dict(img_path=str(path)))


def test_a_folder_keeps_the_same_pixels_for_other_processes_and_runs(tmp_path, monkeypatch):
    path = photo(tmp_path / "a.jpg", 300, 200)
    first = pixels_of(folder_cache(tmp_path), path)
    first["img"][:] //= 2  # a later transform writes to it
    plain = pixels_of(LoadResized((64, 64)), path)
    monkeypatch.setattr(LoadResized, "_decode", None)  # what is kept needs no decoding
    again = pixels_of(folder_cache(tmp_path), path)
    assert np.array_equal(again["img"], plain["img"]) and again["ori_shape"] == (200, 300)
    again["img"][:] = 0  # and may be written to as well
    with pytest.raises(TypeError):
        pixels_of(LoadResized((32, 32), 1.0, str(tmp_path / "cache")), path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_file_of_the_folder_is_made_anew(damage, tmp_path):
    path = photo(tmp_path / "a.png", 80, 80)
    plain = pixels_of(folder_cache(tmp_path), path)["img"]
    (file,) = cached_files(tmp_path)
    content = bytearray(file.read_bytes())
    if damage == "flipped":
        content[-5] ^= 1
    file.write_bytes(dict(cut=content[:-9], flipped=content, empty=b"")[damage])
    assert np.array_equal(pixels_of(folder_cache(tmp_path), path)["img"], plain)
    assert len(file.read_bytes()) == len(content) and len(cached_files(tmp_path)) == 1


def test_a_photo_that_was_replaced_is_not_taken_from_the_folder(tmp_path):
    path = photo(tmp_path / "a.png", 80, 80)
    before = pixels_of(folder_cache(tmp_path), path)["img"]
    Image.new("RGB", (80, 80), "red").save(path)
    after = pixels_of(folder_cache(tmp_path), path)["img"]
    assert (after[..., 2] == 255).all() and not np.array_equal(before, after)


def test_the_folder_stays_within_its_bound(tmp_path):
    paths = [photo(tmp_path / f"{i}.png", 80, 80) for i in range(5)]
    room = 2.5 * 64 * 64 * 3 / 2**20
    for _ in range(2):
        for path in paths:
            pixels_of(folder_cache(tmp_path, room), path)
    assert len(cached_files(tmp_path)) == 2


def test_one_process_fills_the_folder_up_to_its_bound_and_looks_again(tmp_path, monkeypatch):
    """It counts what it wrote, and finds out now and then what others wrote."""
    monkeypatch.setattr("ads_det.data.image_cache._LOOK", 2)
    paths = [photo(tmp_path / f"{i}.png", 80, 80) for i in range(6)]
    transform = folder_cache(tmp_path, 3.5 * 64 * 64 * 3 / 2**20)
    for path in paths[:2]:
        pixels_of(transform, path)
    for path in paths[2:4]:
        pixels_of(folder_cache(tmp_path), path)  # another process, with more room
    for path in paths[4:]:
        assert pixels_of(transform, path)["img"].shape == (64, 64, 3)
    assert len(cached_files(tmp_path)) == 4


def test_a_file_that_cannot_take_its_place_leaves_nothing_behind(tmp_path, capsys):
    path = photo(tmp_path / "a.png", 80, 80)
    plain = pixels_of(folder_cache(tmp_path), path)["img"]
    (file,) = cached_files(tmp_path)
    file.unlink()
    file.mkdir()
    assert np.array_equal(pixels_of(folder_cache(tmp_path), path)["img"], plain)
    assert capsys.readouterr().out.count("no longer kept") == 1
    assert list(file.parent.iterdir()) == [file]


def test_a_folder_that_cannot_be_written_costs_only_time_and_a_sentence(tmp_path, capsys):
    path = photo(tmp_path / "a.png", 80, 80)
    (tmp_path / "cache").write_text("no folder")
    transform = folder_cache(tmp_path)
    for _ in range(2):
        assert pixels_of(transform, path)["img"].shape == (64, 64, 3)
    assert capsys.readouterr().out.count("no longer kept") == 1


@pytest.mark.parametrize("options", [dict(cache_dir="x"), dict(cache_dir=7, cache_mib=1)])
def test_a_folder_without_room_or_name_is_refused(options):
    with pytest.raises(ADSError, match="cache_dir"):
        LoadResized((64, 64), **options)
