"""Names of what an evaluator will measure, known before anything is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.config import Config

from ads_det.engine.config_parts import each_part
from ads_det.engine.datasets import class_names, pool_config
from ads_det.errors import ADSError

_COCO = tuple(f"mAP{end}" for end in ("", "_50", "_75", "_s", "_m", "_l"))
_RECALLS = ("AR@100", "AR@300", "AR@1000", "AR_s@1000", "AR_m@1000", "AR_l@1000")


def check_metric(name: str, where: str, cfg: Config) -> None:
    """Refuse a metric that the evaluator will not give, which would show only after a training.

    Args:
        name: Metric name, such as ``'pascal_voc/mAP'``.
        where: what names it: a key of the config or an option.
        cfg: a run's config; metrics that mmdet or this project do not have are believed.

    Raises:
        ADSError: then; names those that there are.
    """
    known: list[str] = []
    for _, metric in each_part(cfg.get("test_evaluator"), "test_evaluator"):
        found = _names(metric)
        if found is None:
            return
        known += found
    classes = class_names(pool_config(cfg)) if cfg.get("pool") is not None else []
    by_class = "pascal_voc/mAP" in known and name.startswith("pascal_voc/AP/")
    if by_class and classes and name.removeprefix("pascal_voc/AP/") not in classes:
        raise ADSError(f"{where} is {name!r}, but the classes are {', '.join(classes)}.")
    if name not in known and not by_class:
        raise ADSError(
            f"{where} is {name!r}, but test_evaluator measures {', '.join(known)}; use one of them."
        )


def check_wrapped(name: str, cfg: Config) -> None:
    """Refuse an evaluator whose results have no ``mean/`` in their names, which the loop reads.

    Raises:
        ADSError: says how to write it.
    """
    for path, metric in each_part(cfg.get("test_evaluator"), "test_evaluator"):
        if kind_of(metric) in ("VOCMetric", "CocoMetric"):
            raise ADSError(
                f"{path} does not measure mean/{name}; write dict(type="
                f"'ads_det.PerClassifierMetric', metric=dict(type='{kind_of(metric)}', ...))."
            )


def kind_of(metric: Any) -> str:
    """Name of the class of a metric's config."""
    return getattr(metric.get("type"), "__name__", str(metric.get("type"))).rpartition(".")[2]


def _names(metric: Any) -> list[str] | None:
    """What a metric's config measures of the mean prediction; None if it is not known."""
    kind = kind_of(metric)
    if kind == "PerClassifierMetric":
        return _names(metric.get("metric"))
    if kind == "AccuracyMetric":
        return ["accuracy"]
    if kind == "VOCMetric":
        found, prefix = _voc_names(metric), "pascal_voc"
    elif kind == "CocoMetric" and not metric.get("classwise"):
        found, prefix = _coco_names(metric), "coco"
    else:
        return None
    return [f"{metric.get('prefix') or prefix}/{name}" for name in found]


def _voc_names(metric: Any) -> list[str]:
    overlaps = np.atleast_1d(metric.get("iou_thrs", 0.5)).tolist()
    kind = metric.get("metric", "mAP")
    kind = kind if isinstance(kind, str) else kind[0]
    if kind == "mAP":
        return ["mAP", *(f"AP{int(overlap * 100):02d}" for overlap in overlaps)]
    numbers = metric.get("proposal_nums", (100, 300, 1000))
    means = [f"AR@{number}" for number in numbers] if len(overlaps) > 1 else []
    return [*(f"recall@{n}@{overlap}" for n in numbers for overlap in overlaps), *means]


def _coco_names(metric: Any) -> list[str]:
    items = metric.get("metric_items")
    unknown = sorted(set(items or ()) - {*_COCO, *_RECALLS})
    if unknown:
        raise ADSError(
            f"test_evaluator.metric_items names {unknown[0]!r}; CocoMetric knows "
            f"{', '.join((*_COCO, *_RECALLS))}."
        )
    kinds = metric.get("metric", "bbox")
    names: list[str] = []
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind == "proposal":
            names += items or _RECALLS
        elif kind == "proposal_fast":
            names += [f"AR@{number}" for number in metric.get("proposal_nums", (100, 300, 1000))]
        else:
            names += [f"{kind}_{item}" for item in items or _COCO]
    return names
