"""The digits data set: what is written, what is drawn, and that it is built safely."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from ads_det.data import synthetic
from ads_det.data.synthetic import CLASSES, INK, Scene, draw_digit, draw_scene, make_digits

POOL, TEST = 30, 20


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_digits(tmp_path_factory.mktemp("digits") / "set", POOL, TEST)


@pytest.fixture(scope="module")
def pool_scenes() -> list[Scene]:
    return [draw_scene("pool", index, pool=300) for index in range(300)]


@pytest.fixture(scope="module")
def held_out() -> list[Scene]:
    return [draw_scene("test", index, pool=300) for index in range(100)]


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder: relative path -> bytes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def names(folder: Path, split: str) -> list[str]:
    return (folder / "ImageSets" / "Main" / f"{split}.txt").read_text().split()


def nearest_distances(scenes: list[Scene]) -> np.ndarray:
    """Mean absolute grey-level difference (0-255) from each image to the most similar other."""
    small = [cv2.resize(scene.image, (24, 24), interpolation=cv2.INTER_AREA) for scene in scenes]
    blurred = [cv2.GaussianBlur(image, (0, 0), 1.0).astype(np.float32).ravel() for image in small]
    flat = np.stack(blurred)
    distances = np.stack([np.abs(flat - one).mean(axis=1) for one in flat])
    np.fill_diagonal(distances, np.inf)
    return distances.min(axis=1)


def test_layout(root: Path) -> None:
    train, test = names(root, "trainval"), names(root, "test")
    assert (len(train), len(test), len({*train, *test})) == (POOL, TEST, POOL + TEST)
    assert {path.stem for path in (root / "JPEGImages").glob("*.jpg")} == {*train, *test}
    assert {path.stem for path in (root / "Annotations").glob("*.xml")} == {*train, *test}
    assert (root / "classes.txt").read_text().split() == list(CLASSES)
    assert CLASSES[0] == "zero" and CLASSES[9] == "nine" and len(CLASSES) == 10
    info = json.loads((root / "dataset.json").read_text())
    assert (info["pool"], info["test"], info["seed"]) == (POOL, TEST, 0)


def test_annotations_agree_with_the_images(root: Path) -> None:
    for name in names(root, "trainval") + names(root, "test"):
        top = ET.parse(root / "Annotations" / f"{name}.xml").getroot()
        height, width, _ = cv2.imread(str(root / "JPEGImages" / f"{name}.jpg")).shape
        assert top.findtext("filename") == f"{name}.jpg"
        assert [top.findtext(f"size/{side}") for side in ("width", "height", "depth")] == [
            *(str(width), str(height), "3")
        ]
        assert 96 <= width <= 128 and 96 <= height <= 128
        objects = top.findall("object")
        assert 1 <= len(objects) <= 6
        for item in objects:
            assert item.findtext("name") in CLASSES
            assert item.findtext("pose") == "Unspecified"
            assert item.findtext("truncated") == item.findtext("difficult") == "0"
            x1, y1, x2, y2 = (
                int(item.findtext(f"bndbox/{side}", ""))
                for side in ("xmin", "ymin", "xmax", "ymax")
            )
            assert 1 <= x1 < x2 <= width and 1 <= y1 < y2 <= height


def test_same_seed_gives_the_same_bytes(root: Path, tmp_path: Path) -> None:
    state = np.random.get_state()[1].copy()
    again = make_digits(tmp_path / "other name", POOL, TEST)
    assert contents(again) == contents(root)
    assert (np.random.get_state()[1] == state).all()


def test_another_seed_gives_other_images(root: Path, tmp_path: Path) -> None:
    before, after = contents(root), contents(make_digits(tmp_path / "set", POOL, TEST, seed=1))
    images = [name for name in before if name.endswith((".jpg", ".xml"))]
    assert before.keys() == after.keys()
    assert all(before[name] != after[name] for name in images)


@pytest.mark.parametrize("angle", [-12, 0, 12])
def test_digit_is_cropped_to_its_ink(angle: float) -> None:
    for row in range(0, 1797, 40):
        ink = draw_digit(row, height=40, angle=angle) >= INK
        assert ink[0].any() and ink[-1].any() and ink[:, 0].any() and ink[:, -1].any()
        assert 36 <= ink.shape[0] <= 40


def test_boxes_are_tight_in_the_image(pool_scenes: list[Scene]) -> None:
    """On plain backgrounds the ink can be found in the image without the drawing code."""
    easy = [scene for scene in pool_scenes if scene.template is not None]
    for scene in easy[::5]:
        pixels = cv2.GaussianBlur(scene.image, (0, 0), 0.7).astype(float)
        ink = np.abs(pixels - np.median(pixels, axis=(0, 1))).mean(axis=2) > 40
        inside = np.zeros_like(ink)
        for x1, y1, x2, y2 in scene.boxes:
            inside[y1 - 1 : y2, x1 - 1 : x2] = True
            ys, xs = np.nonzero(ink[y1 - 1 : y2, x1 - 1 : x2])
            gaps = [xs.min(), ys.min(), x2 - x1 - xs.max(), y2 - y1 - ys.max()]
            assert max(gaps) <= 2
        assert (ink & ~cv2.dilate(inside.astype(np.uint8), np.ones((3, 3))).astype(bool)).sum() == 0


def test_digits_hardly_overlap(pool_scenes: list[Scene], held_out: list[Scene]) -> None:
    for scene in pool_scenes + held_out:
        cover = np.zeros((len(scene.boxes), *scene.image.shape[:2]), bool)
        for mask, (x1, y1, x2, y2) in zip(cover, scene.boxes):
            mask[y1 - 1 : y2, x1 - 1 : x2] = True
        for i, one in enumerate(cover):
            for other in cover[:i]:
                assert (one & other).sum() <= 0.1 * (one | other).sum()


def test_pool_and_test_show_different_samples(
    pool_scenes: list[Scene], held_out: list[Scene]
) -> None:
    split = {name: set(np.concatenate(rows)) for name, rows in synthetic.split_rows(0).items()}
    assert not split["pool"] & split["test"]
    assert len(split["pool"] | split["test"]) == 1797
    for name, scenes in (("pool", pool_scenes), ("test", held_out)):
        assert {row for scene in scenes for row in scene.rows} <= split[name]
        targets = synthetic._digits()[1]
        assert all(
            targets[row] == label
            for scene in scenes
            for row, label in zip(scene.rows, scene.labels, strict=True)
        )


def test_pool_is_long_tailed_and_test_is_balanced(
    pool_scenes: list[Scene], held_out: list[Scene]
) -> None:
    pool = Counter(label for scene in pool_scenes for label in scene.labels)
    test = Counter(label for scene in held_out for label in scene.labels)
    assert len(pool) == len(test) == 10
    assert max(pool.values()) >= 4 * min(pool.values())
    assert max(test.values()) <= 2 * min(test.values())


def test_only_the_pool_has_near_duplicates(pool_scenes: list[Scene], held_out: list[Scene]) -> None:
    easy = np.array([scene.template is not None for scene in pool_scenes])
    assert 0.45 <= easy.mean() <= 0.65
    assert len({scene.template for scene in pool_scenes} - {None}) == 300 // 25
    near = nearest_distances(pool_scenes) < 8
    assert near[easy].mean() > 0.9
    assert near[~easy].mean() < 0.05
    assert all(scene.template is None for scene in held_out)
    assert not (nearest_distances(held_out) < 8).any()


def test_complete_folder_is_left_untouched(root: Path) -> None:
    def times() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (root, *root.rglob("*"))}

    before = times()
    assert make_digits(str(root), POOL, TEST) == root
    assert times() == before


def test_other_parameters_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(root)
    for wrong in ((POOL + 1, TEST, 0), (POOL, TEST + 1, 0), (POOL, TEST, 1)):
        with pytest.raises(ValueError, match=r"set holds .*delete this one"):
            make_digits(root, *wrong)
    monkeypatch.setattr(synthetic, "VERSION", synthetic.VERSION + 1)
    with pytest.raises(ValueError, match="choose another folder"):
        make_digits(root, POOL, TEST)
    assert contents(root) == before


def test_foreign_folder_is_refused_and_an_empty_one_is_filled(tmp_path: Path) -> None:
    foreign, empty = tmp_path / "foreign", tmp_path / "empty"
    foreign.mkdir()
    empty.mkdir()
    (foreign / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="something other than a digits data set"):
        make_digits(foreign, 1, 1)
    assert contents(foreign) == {"notes.txt": b"mine"}
    assert (make_digits(empty, 1, 1) / "dataset.json").is_file()
    for pool, test, seed in ((0, 1, 0), (1, 0, 0), (1, 1, -1)):
        with pytest.raises(ValueError, match="must be"):
            make_digits(tmp_path / "none", pool, test, seed)


def test_interrupted_build_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "set"

    def interrupt(split: str, index: int, pool: int, seed: int) -> Scene:
        if index == 2:
            raise KeyboardInterrupt
        return draw_scene(split, index, pool, seed)

    with monkeypatch.context() as patch:
        patch.setattr(synthetic, "draw_scene", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make_digits(target, 4, 1)
    assert list(tmp_path.iterdir()) == []
    leftover = tmp_path / ".set.tmp-killed" / "built" / "JPEGImages"  # as of a killed process
    leftover.mkdir(parents=True)
    assert len(contents(make_digits(target, 4, 1))) == 2 * 5 + 4
    assert leftover.is_dir()


def test_several_callers_at_once(tmp_path: Path) -> None:
    target = tmp_path / "set"
    with ThreadPoolExecutor(4) as callers:
        made = list(callers.map(lambda _: make_digits(target, 8, 2), range(4)))
    assert made == [target] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert len(contents(target)) == 2 * 10 + 4


def test_a_faster_process_wins_the_race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "set"
    write = synthetic._write

    def write_and_be_overtaken(folder: Path, info: dict[str, int]) -> None:
        write(folder, info)
        target.mkdir()
        write(target, info)
        (target / "winner").touch()

    monkeypatch.setattr(synthetic, "_write", write_and_be_overtaken)
    assert make_digits(target, 2, 1) == target
    assert (target / "winner").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_folder_that_is_deleted_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "sets" / "one"
    monkeypatch.setattr(synthetic, "_write", lambda *args: shutil.rmtree(target.parent))
    with pytest.raises(FileNotFoundError, match="sets"):
        make_digits(target, 2, 1)
    assert not target.exists()


def test_command_line(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    synthetic.main([str(tmp_path / "set"), "--pool", "2", "--test", "1", "--seed", "5"])
    assert capsys.readouterr().out.strip() == str(tmp_path / "set")
    with pytest.raises(SystemExit) as stop:
        synthetic.main([str(root), "--pool", "1"])
    assert stop.value.code == 1
    assert "delete this one" in capsys.readouterr().err


def test_import_is_light() -> None:
    code = "import sys, ads_det.data; sys.exit('mmdet' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
