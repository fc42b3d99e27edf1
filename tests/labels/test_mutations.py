"""Hundreds of damaged files: each is refused in one sentence, read as the whole one is, or read
otherwise in a way that the damage explains. Nothing is lost in silence."""

import random

import pytest
from mutations import (
    ANY,
    BOXES,
    CASES,
    FORMATS,
    IDS,
    READERS,
    check_labels,
    closed_socket,
    dangling,
    device,
    folder,
    pipe,
    replace_whole,
    understood,
    write,
    write_images,
)

from ads_det.errors import ADSError
from ads_det.files import read_ids
from ads_det.labels.project import find_labels

TIMES = 5  # mutations of each kind and format; benchmarks/fuzz.py makes more


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize(("read", "name"), READERS)
def test_whole_files_are_read(read, name, images, tmp_path):
    whole, problems = read(write(tmp_path / "whole", dict(FORMATS[name]())), images)
    assert not problems and {n: len(b) for n, b in whole.items()} == {
        n: len(BOXES.get(n, ())) for n in IDS
    }


@pytest.mark.parametrize(
    ("read", "name", "kind"), CASES, ids=[f"{r.__name__}-{n}-{k.__name__}" for r, n, k in CASES]
)
def test_nothing_is_lost_in_silence(read, name, kind, images, tmp_path):
    rng = random.Random(f"{name} {kind.__name__}")
    for number in range(TIMES):
        check_labels(rng, read, name, kind, images, tmp_path / str(number))


@pytest.mark.parametrize("make", [pipe, folder, device, closed_socket, dangling])
def test_special_files_are_not_opened(make, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "ids.txt"
    make(place)
    with pytest.raises(ADSError, match="cannot be read"):
        read_ids(place)
    for name in ("labels.json", "labels.xml"):
        place = tmp_path / name
        make(place)
        with pytest.raises(ADSError, match="cannot be read|holds no labels"):
            find_labels(place, images, [], "checked")
    for read, name in READERS:
        files = dict(FORMATS[name]())
        first = "labels.json" if "labels.json" in files else sorted(files)[0]
        place = write(tmp_path / f"{read.__name__}_{name}", files) / first
        place.unlink()
        make(place)
        result = understood(read, place.parent, images)
        # a folder of that name holds no label: the image has none, which is asked for
        assert isinstance(result, str) or (make is folder and "a.jpg" not in result[0])


def test_id_lists(tmp_path):
    text = "a\nb b\nc/d\n"
    rng = random.Random(0)
    for number in range(TIMES):
        kind = rng.choice([*ANY[:3], replace_whole])
        path = write(tmp_path / str(number), {"ids.txt": kind(rng, text)}) / "ids.txt"
        try:
            ids = read_ids(path)
        except ADSError as error:
            assert str(path) in str(error)
        else:
            assert all(i == i.strip() and i for i in ids) and len(set(ids)) == len(ids)
