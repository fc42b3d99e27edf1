"""CVAT for images 1.1: one XML file."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from ads_det.errors import ADSError
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.checks import check_writable, is_rotated, once_each, read_box, read_size
from ads_det.labels.xml import add, read_xml, write_xml

_EDGES = ("xtl", "ytl", "xbr", "ybr")


def write_cvat(images: Sequence[ImageLabels], classes: Sequence[str], path: Path) -> None:
    """Write a file that CVAT takes as annotations of a task with these images and classes.

    Boxes with a score are marked as drawn by a model (``source="auto"``); CVAT has no place for
    the score itself.

    Raises:
        ADSError: if an image or class occurs twice, a box is of another class, or the disk
            refuses the file.
    """
    check_writable(images, classes)
    root = ET.Element("annotations")
    add(root, "version", "1.1")
    task = add(add(root, "meta"), "task")
    add(task, "name", "ads_det")
    add(task, "size", len(images))
    add(task, "mode", "annotation")
    names = add(task, "labels")
    for name in classes:
        label = add(names, "label")
        add(label, "name", name)
        add(label, "attributes")
    for number, labels in enumerate(images):
        image = ET.SubElement(
            root,
            "image",
            id=str(number),
            name=labels.image,
            width=str(labels.width),
            height=str(labels.height),
        )
        for box in labels.boxes:
            source = "manual" if box.score is None else "auto"
            attributes = dict(label=box.name, source=source, occluded="0")
            attributes |= zip(_EDGES, map(_pixels, box.corners))
            ET.SubElement(image, "box", attributes | dict(z_order="0"))
    write_xml(path, root)


def _pixels(value: float) -> str:
    """With two decimals, as CVAT writes it, or up to six if it has more."""
    whole, _, decimals = f"{value:.6f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def read_cvat(path: Path) -> list[ImageLabels]:
    """All images of a file, in its order; those without boxes have ``checked=None``.

    Raises:
        ADSError: if something is not as the format wants it, a shape is no upright box, or the
            file is of a video.
    """
    root = read_xml(path)
    if root.tag != "annotations":
        raise ADSError(
            f"{path} has the root <{root.tag}> where CVAT writes <annotations>; export it as "
            "'CVAT for images 1.1'."
        )
    if root.find("track") is not None:
        raise ADSError(
            f"{path} holds tracks of a video; export it as 'CVAT for images 1.1', which has the "
            "boxes of each image."
        )
    other = [child.tag for child in root if child.tag not in ("version", "meta", "image")]
    if other:
        raise ADSError(
            f"{path} has <{other[0]}> where CVAT writes <image>; export it as 'CVAT for images "
            "1.1'."
        )
    return once_each([_read_image(image, path) for image in root.iterfind("image")], path)


def _read_image(image: ET.Element, path: Path) -> ImageLabels:
    name = image.get("name")
    if not name:
        raise ADSError(f"{path} has an image without `name` (id {image.get('id')!r}); add it.")
    where = f"{path}: image {name!r}"
    width, height = (read_size(image.get(key), where) for key in ("width", "height"))
    if (image.text or "").strip():
        raise ADSError(f"{where} has the text {image.text!r} where shapes belong; correct it.")
    boxes = tuple(_read_box(shape, where) for shape in image if shape.tag != "tag")
    return ImageLabels(name, width, height, boxes, checked=True if boxes else None)


def _read_box(shape: ET.Element, where: str) -> Box:
    if shape.tag != "box":
        raise ADSError(
            f"{where} has a shape <{shape.tag}>; only upright boxes can be read: delete it or draw "
            "a box."
        )
    if is_rotated(shape.get("rotation")):
        raise ADSError(
            f"{where} has a rotated box, which detectors here do not know; draw it upright."
        )
    missing = [edge for edge in _EDGES if not shape.get(edge)]
    if missing:
        raise ADSError(f"{where} has a box without `{missing[0]}`; add it.")
    return read_box(where, shape.get("label"), (shape.get(edge) for edge in _EDGES))
