"""Small real data sets on disk, and what the data sets log."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope

WIDTH, HEIGHT = 40, 30


@pytest.fixture(autouse=True)
def scope():
    init_default_scope("mmdet")


@pytest.fixture
def warnings(capsys):
    """What the console was told so far."""
    told = []

    def read():
        told.extend(capsys.readouterr().out.splitlines())
        return told

    return read


def write_image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    # imencode and not imwrite, so that any file name will do
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def voc_xml(objects: list[tuple]) -> str:
    """An annotation; an object is (name, xmin, ymin, xmax, ymax), perhaps with difficult."""
    parts = [f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"]
    for name, xmin, ymin, xmax, ymax, *difficult in objects:
        flag = f"<difficult>{difficult[0]}</difficult>" if difficult else ""
        parts.append(
            f"<object><name>{name}</name>{flag}<bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin>"
            f"<xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>"
        )
    return f"<annotation>{''.join(parts)}</annotation>"


@pytest.fixture
def image():
    """Writes an image file of 40x30 pixels."""
    return write_image


@pytest.fixture
def voc(tmp_path):
    """Writes a VOC-format folder and its list: ``voc({id: objects}, suffix='.png')``."""

    def write(images: dict[str, list[tuple]], folder: str = "", suffix: str = ".jpg") -> Path:
        root = tmp_path / "voc"
        base = root / folder
        for sub in ("Annotations", "ImageSets/Main"):
            (base / sub).mkdir(parents=True, exist_ok=True)
        for name, objects in images.items():
            write_image(base / "JPEGImages" / f"{name}{suffix}")
            xml = base / "Annotations" / f"{name}.xml"
            xml.write_text(voc_xml(objects), encoding="utf-8")
        with open(base / "ImageSets/Main/trainval.txt", "a", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in images)
        return root

    return write


@pytest.fixture
def coco(tmp_path):
    """Writes a COCO folder: ``coco({file_name: [(category, [x, y, w, h]), ...]}, ['a', 'b'])``.

    Image ids start at 100, category ids at 7 and step by 2; ``area`` is left out.
    """

    def write(images: dict[str, list[tuple]], categories: list[str], **changes) -> Path:
        root = tmp_path / "coco"
        content: dict = dict(images=[], annotations=[])
        content["categories"] = [dict(id=7 + 2 * i, name=n) for i, n in enumerate(categories)]
        numbers = {c["name"]: c["id"] for c in content["categories"]}
        for number, (name, objects) in enumerate(images.items(), start=100):
            write_image(root / "images" / name)
            shape = dict(width=WIDTH, height=HEIGHT)
            content["images"].append(dict(id=number, file_name=name, **shape))
            content["annotations"] += [
                dict(id=1000 * number + i, image_id=number, category_id=numbers[c], bbox=box)
                for i, (c, box) in enumerate(objects)
            ]
        (root / "train.json").write_text(json.dumps(content | changes), encoding="utf-8")
        return root

    return write
