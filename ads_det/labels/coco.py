"""COCO: one JSON file with the sections ``images``, ``annotations`` and ``categories``."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ads_det.errors import ADSError
from ads_det.files import write_text
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.checks import (
    check_writable,
    finite,
    is_rotated,
    load_json,
    once_each,
    read_box,
    read_size,
    shown,
)


def write_coco(
    images: Sequence[ImageLabels],
    classes: Sequence[str],
    path: Path,
    info: Mapping[str, Any] | None = None,
) -> None:
    """Write a file that pycocotools and most tools read.

    An image has our own key ``checked``, true or false, where that is known; others ignore it.

    Raises:
        ADSError: if an image or class occurs twice, a box is of another class, or the disk
            refuses the file.
    """
    check_writable(images, classes)
    categories = {name: number for number, name in enumerate(classes, start=1)}
    entries: list[dict] = []
    annotations: list[dict] = []
    for image_id, labels in enumerate(images, start=1):
        entry = dict(id=image_id, file_name=labels.image, width=labels.width, height=labels.height)
        entries.append(entry if labels.checked is None else dict(entry, checked=labels.checked))
        for box in labels.boxes:
            width, height = box.x2 - box.x1, box.y2 - box.y1
            annotation = dict(
                id=len(annotations) + 1,
                image_id=image_id,
                category_id=categories[box.name],
                bbox=[box.x1, box.y1, width, height],
                segmentation=[],  # some readers want the key
                area=width * height,
                iscrowd=0,
            )
            annotations.append(
                annotation if box.score is None else annotation | {"score": box.score}
            )
    sections = dict(
        images=entries,
        annotations=annotations,
        categories=[dict(id=number, name=name) for name, number in categories.items()],
    )
    lines = (  # an entry a line: a file that people can read, and a quarter as long as indented
        f'"{section}": [\n' + ",\n".join(_dump(entry) for entry in content) + "\n]"
        for section, content in sections.items()
    )
    head = f'"info": {_dump(dict(info))},\n' if info else ""
    write_text(path, "{\n" + head + ",\n".join(lines) + "\n}\n")


def _dump(entry: dict) -> str:
    return json.dumps(entry, ensure_ascii=False)


def read_coco(path: Path) -> list[ImageLabels]:
    """All images of a file, in its order.

    An image without boxes has ``checked=None`` unless our own key ``checked`` tells: COCO
    itself cannot say whether somebody has looked at it.

    Raises:
        ADSError: if something is not as COCO's format wants it, or an annotation is no box.
    """
    content = load_json(path)
    entries = by_id(content, "images", path)
    names = category_names(content, path)
    boxes: dict[int | str, list[Box]] = defaultdict(list)
    found = list(annotations_of(content, entries, path))
    check_pixels((bbox_of(annotation, where) for where, annotation in found), path)
    for where, annotation in found:
        boxes[annotation["image_id"]].append(_read_annotation(annotation, names, where))
    images = [
        _read_image(entry, tuple(boxes[number]), f"{path}: image {number!r}")
        for number, entry in entries.items()
    ]
    return once_each(images, path)


def category_names(content: Any, path: Path) -> dict[int | str, str]:
    """Name of each category by its number.

    Raises:
        ADSError: if one has no name, or two have the same number.
    """
    return {
        number: _text(category, "name", f"{path}: category {number!r}")
        for number, category in by_id(content, "categories", path).items()
    }


def annotations_of(
    content: Any, images: Container[int | str], path: Path
) -> Iterator[tuple[str, dict]]:
    """All annotations, each with how messages name it.

    Raises:
        ADSError: if one belongs to no image, or two have the same number.
    """
    numbers: set[int | str] = set()
    for place, annotation in enumerate(section(content, "annotations", path), start=1):
        number, image_id = annotation.get("id"), annotation.get("image_id")
        where = f"{path}: annotation {place if number is None else number!r}"
        if not _is_id(image_id) or image_id not in images:
            raise ADSError(
                f"{where} belongs to the image {image_id!r}, which `images` does not have "
                f"(`image_id`){_other_type(image_id, images)}; add the image or delete the "
                "annotation."
            )
        if number is not None and not _is_id(number):
            raise ADSError(f"{where} has an `id` that is no whole number; renumber it.")
        if number in numbers:
            raise ADSError(
                f"{path} gives two entries of `annotations` the id {number!r}; keep one."
            )
        if number is not None:
            numbers.add(number)
        yield where, annotation


def check_pixels(boxes: Iterable[Sequence[float]], path: Path) -> None:
    """Refuse boxes that are parts of the image, as some services export them.

    Args:
        boxes: Boxes of the whole file, [x, y, width, height].
        path: Path of the file.

    Raises:
        ADSError: if there are several and no number is above 1.
    """
    numbers = [value for box in boxes for value in box]
    if len(numbers) > 4 and all(0 <= value <= 1 for value in numbers):
        raise ADSError(
            f"{path} gives all boxes in numbers from 0 to 1, as parts of the image, but COCO's "
            "format has pixels; multiply them by width and height."
        )


def bbox_of(annotation: dict, where: str) -> list[float]:
    """``[x, y, width, height]`` of an annotation.

    Raises:
        ADSError: if it is not made of four finite numbers.
    """
    bbox = annotation.get("bbox")
    try:
        if not isinstance(bbox, list) or any(isinstance(value, str) for value in bbox):
            raise ValueError
        x, y, width, height = map(finite, bbox)
    except ValueError as error:
        raise ADSError(
            f"{where} has no `bbox` of four finite numbers [x, y, width, height], but "
            f"{shown(bbox)}; correct it."
        ) from error
    return [x, y, width, height]


def is_set(flag: str, annotation: dict, where: str) -> bool:
    """Whether an annotation has a flag: ``iscrowd``, a region with many objects, or ``ignore``, an
    object that shall not count.

    Raises:
        ADSError: if it is neither 0 nor 1.
    """
    value = annotation.get(flag)
    if value is not None and (not isinstance(value, int) or value not in (0, 1)):
        raise ADSError(f"{where} has an `{flag}` of {shown(value)}; write 0 or 1.")
    return bool(value)


def category_of(annotation: dict, names: Mapping[int | str, str], where: str) -> int | str:
    """Number of an annotation's category.

    Raises:
        ADSError: if ``categories`` does not have it.
    """
    category: Any = annotation.get("category_id")
    if not _is_id(category) or category not in names:
        raise ADSError(
            f"{where} is of the category {category!r}, which `categories` does not have "
            f"(`category_id`){_other_type(category, names)}; add the category or correct the "
            "annotation."
        )
    return category


def _is_id(value: object) -> bool:
    if isinstance(value, float):  # some tools write 1.0 for 1, which is the same key
        return value.is_integer()
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _other_type(value: object, known: Container[int | str]) -> str:
    """What to say of a text where the same number is known, or the other way round."""
    if isinstance(value, str):
        same = value.isdecimal() and len(value) < 20 and int(value) in known
        return f", but the number {value}: write both as numbers" if same else ""
    return f", but the text {str(value)!r}: write both as texts" if str(value) in known else ""


def section(content: Any, name: str, path: Path) -> list[dict]:
    """The entries of a list of the file.

    Raises:
        ADSError: if it is missing, or one is no object.
    """
    entries = content.get(name) if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise ADSError(
            f"{path} has no list `{name}`, which COCO's format requires; export it again as COCO."
        )
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise ADSError(f"{path}: entry {number} of `{name}` is no object; correct it.")
    return entries


def by_id(content: Any, name: str, path: Path) -> dict[int | str, dict]:
    """Entries of a section by their ``id``.

    Raises:
        ADSError: if one has none, or two have the same.
    """
    entries: dict[int | str, dict] = {}
    for number, entry in enumerate(section(content, name, path), start=1):
        key: Any = entry.get("id")
        if not _is_id(key):
            raise ADSError(f"{path}: entry {number} of `{name}` has no `id`; add it.")
        if key in entries:
            raise ADSError(f"{path} gives two entries of `{name}` the id {key!r}; renumber them.")
        entries[key] = entry
    return entries


def _text(entry: dict, key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise ADSError(f"{where} has no `{key}`; add it.")
    return value


def _read_annotation(annotation: dict, names: dict[int | str, str], where: str) -> Box:
    category = category_of(annotation, names, where)
    if is_set("iscrowd", annotation, where):
        raise ADSError(
            f"{where} marks a region with many objects (`iscrowd`), which is no box of one object; "
            "delete it or draw its objects."
        )
    if is_set("ignore", annotation, where):
        raise ADSError(
            f"{where} marks an object that shall not count (`ignore`), which no label here says; "
            "delete it, or write 0."
        )
    attributes = annotation.get("attributes")
    if isinstance(attributes, dict) and is_rotated(attributes.get("rotation")):
        raise ADSError(
            f"{where} is a rotated box, which detectors here do not know; draw it upright."
        )
    x, y, width, height = bbox = bbox_of(annotation, where)
    if width < 0 or height < 0:
        raise ADSError(f"{where} has a `bbox` {bbox} of negative width or height; correct it.")
    return read_box(where, names[category], (x, y, x + width, y + height), annotation.get("score"))


def _read_image(entry: dict, boxes: tuple[Box, ...], where: str) -> ImageLabels:
    checked = entry.get("checked", True if boxes else None)
    if checked is not None and not isinstance(checked, bool):
        raise ADSError(f"{where} has a `checked` of {checked!r}; write true or false.")
    return ImageLabels(
        _text(entry, "file_name", where),
        read_size(entry.get("width"), where),
        read_size(entry.get("height"), where),
        boxes,
        checked,
    )
