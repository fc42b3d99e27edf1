"""tools/make_vocdevkit.py: dealing, linking, and one sentence for each mistake."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "make_vocdevkit.py"
TRAINVAL = ["a", "b", "c", "d", "e"]
TEST = ["x", "y"]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_vocdevkit", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def src(tmp_path: Path) -> Path:
    root = tmp_path / "flat"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for name in TRAINVAL + TEST:
        (root / "JPEGImages" / f"{name}.jpg").write_bytes(name.encode())
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{name}</annotation>")
    (root / "ImageSets/Main/trainval.txt").write_text("\n".join(TRAINVAL) + "\n\n")
    (root / "ImageSets/Main/test.txt").write_text("\n".join(TEST))
    return root


def ids(path: Path) -> list[str]:
    return path.read_text().splitlines()


def stems(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir()}


def test_deals_the_ids_and_links_the_files(tool, src, tmp_path, capsys):
    dst = tmp_path / "VOCdevkit"
    assert tool.main([str(src), str(dst)]) == 0
    assert ids(dst / "VOC2007/ImageSets/Main/trainval.txt") == ["a", "c", "e"]
    assert ids(dst / "VOC2007/ImageSets/Main/test.txt") == TEST
    assert ids(dst / "VOC2012/ImageSets/Main/trainval.txt") == ["b", "d"]
    assert not (dst / "VOC2012/ImageSets/Main/test.txt").exists()
    for year, names in {"VOC2007": {"a", "c", "e", "x", "y"}, "VOC2012": {"b", "d"}}.items():
        assert stems(dst / year / "JPEGImages") == names
        assert stems(dst / year / "Annotations") == names
    assert (dst / "VOC2012/JPEGImages/b.jpg").samefile(src / "JPEGImages/b.jpg")
    assert "VOC2007 trainval 3 images" in capsys.readouterr().out


def test_copies_where_linking_fails(tool, src, tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert tool.main([str(src), str(tmp_path / "kit")]) == 0
    copy = tmp_path / "kit/VOC2007/JPEGImages/x.jpg"
    assert copy.read_bytes() == b"x"
    assert not copy.samefile(src / "JPEGImages/x.jpg")


def test_an_id_may_be_in_both_splits(tool, src, tmp_path):
    (src / "ImageSets/Main/test.txt").write_text("a\nb\n")
    assert tool.main([str(src), str(tmp_path / "kit")]) == 0
    assert stems(tmp_path / "kit/VOC2007/JPEGImages") == {"a", "b", "c", "e"}
    assert stems(tmp_path / "kit/VOC2012/JPEGImages") == {"b", "d"}


@pytest.mark.parametrize("year", ["VOC2007", "VOC2012"])
def test_refuses_to_overwrite(tool, src, tmp_path, capsys, year):
    (tmp_path / "kit" / year).mkdir(parents=True)
    assert tool.main([str(src), str(tmp_path / "kit")]) == 2
    message = capsys.readouterr().err
    assert str(tmp_path / "kit" / year) in message and message.count("\n") == 1
    assert [path.name for path in (tmp_path / "kit").rglob("*")] == [year]


@pytest.mark.parametrize(
    "piece",
    [
        "ImageSets/Main/trainval.txt",
        "ImageSets/Main/test.txt",
        "JPEGImages/d.jpg",
        "Annotations/y.xml",
    ],
)
def test_names_the_missing_piece_and_writes_nothing(tool, src, tmp_path, capsys, piece):
    (src / piece).unlink()
    assert tool.main([str(src), str(tmp_path / "kit")]) == 2
    message = capsys.readouterr().err
    assert str(src / piece) in message and message.count("\n") == 1
    assert not (tmp_path / "kit").exists()


def test_an_empty_list_is_a_mistake(tool, src, tmp_path, capsys):
    (src / "ImageSets/Main/test.txt").write_text("\n")
    assert tool.main([str(src), str(tmp_path / "kit")]) == 2
    assert "test.txt names no image" in capsys.readouterr().err


def test_as_a_command(tmp_path):
    def run(*args: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, str(SCRIPT), *args], capture_output=True, text=True)

    shown = run("--help")
    assert shown.returncode == 0 and "VOCdevkit" in shown.stdout
    failed = run(str(tmp_path / "nowhere"), str(tmp_path / "kit"))
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr and "nowhere" in failed.stderr
