"""Label Studio: a JSON list of tasks."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import Any

from ads_det.errors import ADSError
from ads_det.files import parse_json, write_text
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
from ads_det.labels.names import ImageNames, names_in_address
from ads_det.labels.xml import xml_text

_NO_SHAPE = {  # results that say something of the image, a region or a text, but draw nothing
    *("choices", "datetime", "number", "pairwise", "ranker", "rating", "relation", "taxonomy"),
    *("textarea",),
}
_SAID = _NO_SHAPE | {"text", "selected"}  # what JSON-MIN has of them
_DRAWN = {"x", "y", "points", "rectanglelabels"}


def write_label_studio(
    images: Sequence[ImageLabels],
    classes: Sequence[str],
    path: Path,
    image_url: Callable[[str], str],
) -> None:
    """Write tasks to import, whose boxes are predictions that a person then corrects.

    Args:
        image_url: gives the address that Label Studio shows an image from, by its id.

    Raises:
        ADSError: if an image or class occurs twice, a box is of another class, the size of an
            image with boxes is unknown, or the disk refuses the file.
    """
    check_writable(images, classes)
    tasks = []
    for labels in images:
        data = dict(
            image=image_url(labels.image),
            image_id=labels.image,
            width=labels.width,
            height=labels.height,
        )
        prediction = [_prediction(labels)] if labels.boxes else []
        tasks.append(json.dumps(dict(data=data, predictions=prediction), ensure_ascii=False))
    write_text(path, "[\n" + ",\n".join(tasks) + "\n]\n")


def _prediction(labels: ImageLabels) -> dict:
    if labels.width <= 0 or labels.height <= 0:
        raise ADSError(
            f"The size of the image {labels.image!r} is unknown, and Label Studio's boxes are in "
            "per cent of it; give width and height."
        )
    across, down = labels.width, labels.height
    result = []
    for number, box in enumerate(labels.boxes):
        region = dict(
            id=f"box{number}",
            type="rectanglelabels",
            from_name="label",
            to_name="image",
            original_width=labels.width,
            original_height=labels.height,
            image_rotation=0,
            value=dict(
                x=100 * box.x1 / across,  # not times 100 / across, which may give above 100
                y=100 * box.y1 / down,
                width=100 * (box.x2 - box.x1) / across,
                height=100 * (box.y2 - box.y1) / down,
                rotation=0,
                rectanglelabels=[box.name],
            ),
        )
        result.append(region if box.score is None else dict(region, score=box.score))
    scores = [box.score for box in labels.boxes if box.score is not None]
    prediction = dict(model_version="ads_det", result=result)
    return dict(prediction, score=fmean(scores)) if scores else prediction


def label_config(classes: Sequence[str]) -> str:
    """The XML of a labelling interface for tasks of :func:`write_label_studio`."""
    view = ET.Element("View")
    ET.SubElement(view, "Image", name="image", value="$image", zoom="true")
    labels = ET.SubElement(view, "RectangleLabels", name="label", toName="image")
    for name in classes:
        ET.SubElement(labels, "Label", value=name)
    return xml_text(view)


def read_label_studio(path: Path, images: Iterable[str] = ()) -> list[ImageLabels]:
    """All images of an export as JSON or JSON-MIN, in its order.

    An image is checked if somebody submitted an annotation, be it without boxes; predictions and
    skipped annotations do not count. Boxes are rounded to a thousandth of a pixel. An image is
    named by ``image_id`` in its data if that is an id, else by its address.

    Args:
        path: the file.
        images: ids of all images, if known.

    Raises:
        ADSError: if something is not as Label Studio exports it, a shape is no upright box, or
            annotations of one image differ.
    """
    content = load_json(path)
    if not isinstance(content, list) or not all(isinstance(task, dict) for task in content):
        raise ADSError(f"{path} is no list of tasks; export from Label Studio as JSON.")
    tasks: dict[Any, list[dict]] = {}
    for number, task in enumerate(content, start=1):  # JSON-MIN has an entry an annotation
        key: tuple = ("number", number)
        if "data" not in task:
            key = ("id", str(task.get("id", number)), str(task.get("image")))
        tasks.setdefault(key, []).append(task)
    ids, found = set(images), []
    names = ImageNames(ids) if ids else None
    for (kind, key, *_), entries in tasks.items():
        where = f"{path}: task {entries[0].get('id', f'{kind} {key}')}"
        try:
            found.append(_read_task(entries, where, names))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ADSError(
                f"{where} is not as Label Studio exports it ({type(error).__name__}: {error}); "
                "export again as JSON."
            ) from error
    return once_each(found, path)


def _read_task(entries: list[dict], where: str, names: ImageNames | None) -> ImageLabels:
    if "data" in entries[0]:
        data = entries[0]["data"]
        if "annotations" not in entries[0] and "predictions" not in entries[0]:
            raise ADSError(f"{where} has no `annotations`; export again as JSON.")
        annotations = [
            _listed(annotation["result"])
            for annotation in _listed(entries[0].get("annotations", []))
            if not _is_true(annotation, "was_cancelled")
        ]
    else:
        data = entries[0]
        annotations = [
            results
            for entry in entries
            if (results := list(_short_results(entry, where))) or _is_annotated(entry)
        ]
    size = read_size(data.get("width"), where), read_size(data.get("height"), where)
    versions: list[list[Box]] = []
    sizes: set[tuple[int, int]] = set()  # that boxes are parts of
    for annotation in annotations:
        boxes = []
        for result in annotation:
            if result["type"] not in _NO_SHAPE:
                box, own = _read_result(result, next(iter(sizes), size), where)
                boxes.append(box)
                sizes.add(own)
        shown_on = {r["to_name"] for r in annotation if "to_name" in r}
        if len(shown_on) > 1:
            raise ADSError(
                f"{where} has boxes on several images ({', '.join(map(str, sorted(shown_on)))}); "
                "give each image a task of its own."
            )
        versions.append(boxes)
    if len(sizes) > 1:
        one, other = ("x".join(map(str, size)) for size in sorted(sizes)[:2])
        raise ADSError(
            f"{where} has boxes on the image at {one} and at {other} pixels (original_width and "
            "original_height), of which their places are parts; correct those, or draw the boxes "
            "anew on the image as it is."
        )
    size = next(iter(sizes), size)
    first, *others = map(_comparable, versions or [[]])
    if any(other != first for other in others):
        raise ADSError(
            f"{where} has {len(versions)} annotations with different boxes; delete all but one in "
            "Label Studio and export again."
        )
    agreed = tuple(versions[0]) if versions else ()
    name = _image_name(data, where, names)
    return ImageLabels(name, *size, agreed, checked=bool(versions))


def _listed(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{shown(value)} is no list")
    return value


def _is_true(entry: dict, key: str) -> bool:
    value = entry.get(key)
    if value not in (None, False, True):
        raise TypeError(f"`{key}` is {shown(value)}, neither true nor false")
    return bool(value)


def _comparable(boxes: list[Box]) -> list[tuple]:
    return sorted((box.name, *box.corners) for box in boxes)


def _is_annotated(entry: dict) -> bool:
    return entry.get("annotation_id") not in (None, "")


def _short_results(entry: dict, where: str) -> Iterator[dict]:
    """The results of an entry of JSON-MIN, as far as they draw something, as in JSON.

    Raises:
        ADSError: if it has objects that are not understood, which would count as none.
    """
    for column, content in entry.items():
        values = _parsed(content)
        in_list = isinstance(values, list)
        for value in values if in_list else [values]:
            if not isinstance(value, dict) or not value:
                continue
            kinds = [key for key in value if key.endswith("labels")]
            if not kinds and _SAID & value.keys():
                continue
            drawn = bool(kinds or "original_width" in value or _DRAWN & value.keys())
            if drawn and in_list and values is content:
                yield dict(value, type=kinds[0] if kinds else "shape", value=value)
            elif drawn or (in_list and _is_annotated(entry)):
                raise ADSError(
                    f"{where} has objects in `{column}` that are not as Label Studio's JSON-MIN "
                    "has them; export again as JSON."
                )


def _parsed(content: Any) -> Any:
    """The content of a text that is JSON, as tables have lists; others as they are."""
    if isinstance(content, str) and content.lstrip()[:1] in ("[", "{"):
        with suppress(ValueError, RecursionError):
            return parse_json(content)
    return content


def _read_result(result: dict, size: tuple[int, int], where: str) -> tuple[Box, tuple[int, int]]:
    """A box and the width and height of the image, in pixels; ``size`` is what is known of it."""
    value = result["value"]
    if result["type"] != "rectanglelabels":
        raise ADSError(
            f"{where} has a result of the type {result['type']!r}; only upright boxes "
            "(rectanglelabels) can be read: delete it or draw a box."
        )
    if result.get("item_index"):
        raise ADSError(
            f"{where} has a box on another of its images (item_index {result['item_index']}); give "
            "each image a task of its own."
        )
    if is_rotated(value.get("rotation")) or is_rotated(result.get("image_rotation")):
        raise ADSError(
            f"{where} has a box or image that was rotated, which detectors here do not know; turn "
            "the image back and draw the box upright."
        )
    width = read_size(result.get("original_width"), where) or size[0]
    height = read_size(result.get("original_height"), where) or size[1]
    if not width or not height:
        raise ADSError(
            f"{where} has a box but does not say the size of the image, of which boxes are a part "
            "in per cent; add width and height to its data."
        )
    names = _listed(value.get("rectanglelabels") or [""])
    if len(names) > 1:
        raise ADSError(
            f"{where} has a box with the labels {', '.join(map(repr, names))}; leave it one."
        )
    x, y, across, down = (finite(value[key]) for key in ("x", "y", "width", "height"))
    corners = (x * width, y * height, (x + across) * width, (y + down) * height)
    return read_box(where, names[0], (round(c / 100, 3) for c in corners)), (width, height)


def _image_name(data: dict, where: str, names: ImageNames | None) -> str:
    """A name of the image; its id, if that is known and one of the names is it."""
    image_id, url = data.get("image_id"), data.get("image")
    if isinstance(image_id, str) and (names is None or names.exact(image_id)):
        return image_id
    if not isinstance(url, str) or not url:
        raise ADSError(
            f"{where} has no `image` in its data; name the variable of the image so "
            '(value="$image" in the labelling interface).'
        )
    meant = names_in_address(url)
    known = (name for name in meant if names is not None and names.find_whole(name))
    return meant[0] if names is None else next(known, meant[-1])
