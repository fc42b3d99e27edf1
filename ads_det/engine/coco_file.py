"""COCO annotation files as pycocotools counts their objects."""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS

from ads_det.engine.metric_names import kind_of
from ads_det.labels.checks import load_json
from ads_det.labels.coco import section


def build_metric(cfg: dict) -> BaseMetric:
    """A metric of mmdet; CocoMetric counts every object of the images that the model saw, and no
    other image of its file.

    pycocotools takes an object with the id 0 for none, so that who finds it finds nothing, and two
    of one id for one; wants ``id``, ``area`` and ``iscrowd`` of each; and does not know ``ignore``.
    Exporters write all that, so the metric reads a mended copy then.

    Args:
        cfg: config of the metric.

    Raises:
        ADSError: if the file is no COCO file.
    """
    if kind_of(cfg) != "CocoMetric":
        return METRICS.build(cfg)
    with TemporaryDirectory() as folder:
        metric = METRICS.build(dict(cfg, **_mended(cfg.get("ann_file"), Path(folder))))
    compute = metric.compute_metrics

    def of_seen_images(results: list) -> dict[str, float]:
        metric.img_ids = [prediction["img_id"] for _, prediction in results]
        return compute(results)

    metric.compute_metrics = of_seen_images
    return metric


def _mended(file: str | None, folder: Path) -> dict[str, str]:
    """What of a metric's config is another, where its file does not count every object."""
    if file is None or not os.path.isfile(file):
        return {}
    content = load_json(Path(file))
    annotations = section(content, "annotations", Path(file))
    numbers = {str(annotation.get("id")) for annotation in annotations}
    if len(numbers) == len(annotations) and all(map(_counts, annotations)):
        return {}
    content["annotations"] = [_counting(a, number) for number, a in enumerate(annotations, start=1)]
    mended = folder / "annotations.json"
    mended.write_text(json.dumps(content))
    return dict(ann_file=str(mended))


def _counts(annotation: dict) -> bool:
    number = annotation.get("id")
    has_all = type(number) is int and number > 0 and _is_number(annotation.get("area"))
    return has_all and "iscrowd" in annotation and not annotation.get("ignore")


def _counting(annotation: dict, number: int) -> dict:
    area = annotation.get("area")
    *_, width, height = annotation.get("bbox") or (0, 0)
    return annotation | dict(
        id=number,
        area=area if _is_number(area) else width * height,
        iscrowd=int(bool(annotation.get("iscrowd") or annotation.get("ignore"))),
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)
