"""``ads-det predict``: pictures with boxes, and COCO JSON."""

import json
from argparse import Namespace

import pytest
from helpers import tiny_classification_config
from PIL import Image

from ads_det.cli import run_tool
from ads_det.commands import predict
from ads_det.commands.work import predict as work
from ads_det.engine.stored_config import write_config
from ads_det.errors import ADSError
from ads_det.files import write_text


def test_pictures_and_coco_json_of_a_folder(finished, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    photos, out = tmp_path / "photos", tmp_path / "found"
    (photos / "more").mkdir(parents=True)
    for name in ("a.png", "more/b.png"):
        Image.new("RGB", (80, 60), (90, 120, 90)).save(photos / name)
    (photos / "c.png").write_bytes(b"no image")
    arguments = [finished, photos, "--threshold", 0.0, "--out", out]
    run_tool(predict, list(map(str, arguments)), "ads-det predict")
    said = capsys.readouterr().out
    assert "the model of cycle 2" in said and "left out: c.png" in said
    content = json.loads((out / "coco.json").read_text())
    assert sorted(image["file_name"] for image in content["images"]) == ["a.png", "more/b.png"]
    assert content["annotations"] and all(0 <= a["score"] <= 1 for a in content["annotations"])
    with Image.open(out / "images/more/b.png.jpg") as picture:
        assert picture.size == (80, 60) and len(picture.getcolors(5000)) > 10

    with pytest.raises(SystemExit):  # what is there may be somebody else's
        run_tool(predict, list(map(str, arguments)), "ads-det predict")
    assert "holds a coco.json already" in capsys.readouterr().err


def test_a_folder_that_is_no_run_or_holds_no_image_is_refused(
    finished, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    empty = tmp_path / "empty"
    empty.mkdir()
    for words, message in (
        ([tmp_path, tmp_path], "holds no trained model; name the work directory of a run"),
        ([finished, empty, "--out", tmp_path / "out"], f"{empty} holds no image"),
    ):
        with pytest.raises(SystemExit):
            run_tool(predict, list(map(str, words)), "ads-det predict")
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_classifier_finds_no_boxes(tmp_path):
    write_config(tmp_path / "config.json", tiny_classification_config())
    args = Namespace(work_dir=tmp_path, images=tmp_path)
    with pytest.raises(ADSError, match="is no run of a detector, so it finds no boxes"):
        work.main(args)


def test_a_name_that_is_too_long_for_a_picture_is_refused_before_the_work(tmp_path):
    long = "z" * 240 + ".jpg"
    work.check_names([long], [long])
    for name in ("z" * 249 + ".png", "é" * 126 + ".jpg"):
        with pytest.raises(ADSError, match=r"has too long a name for its picture .25\d bytes"):
            work.check_names([f"more/{name}"], [f"more/{name}"])
    with pytest.raises(ADSError, match=r"^z+\.\.\. cannot be written: a file cannot have so long"):
        write_text(tmp_path / long.replace("z", "zz"), "")
    longest = "z" * 251 + ".txt"  # 255 bytes, which leave no room for a temporary name
    write_text(tmp_path / longest, "")
    assert [path.name for path in tmp_path.iterdir()] == [longest]


def test_a_folder_of_broken_images(finished, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/c.png").write_bytes(b"no image")
    with pytest.raises(SystemExit):
        arguments = [finished, tmp_path / "photos", "--out", tmp_path / "out"]
        run_tool(predict, list(map(str, arguments)), "ads-det predict")
    assert "None of the 1 images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "{run}/cycle_00"], "is of a run"),
        (["--cycle", "7"], "of 0, 1, 2"),
        (["--threshold", "2"], "from 0 to 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(finished, tmp_path, capsys, arguments, message):
    arguments = [word.format(run=finished) for word in arguments]
    with pytest.raises(SystemExit):
        run_tool(predict, [str(finished), str(tmp_path), *arguments], "ads-det predict")
    assert message in capsys.readouterr().err
