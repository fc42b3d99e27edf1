"""Names of what an evaluator will measure, known before anything is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.config import Config

from ads_det.engine.config_parts import each_part
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
    if name not in known and not (name.startswith("pascal_voc/AP/") and _is_voc(known)):
        raise ADSError(
            f"{where} is {name!r}, but test_evaluator measures {', '.join(known)}; use one of them."
        )


def _names(metric: Any) -> list[str] | None:
    """What a metric's config measures of the mean prediction; None if it is not known."""
    kind = getattr(metric.get("type"), "__name__", str(metric.get("type"))).rpartition(".")[2]
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


def _is_voc(known: list[str]) -> bool:
    """Whether the average precision of each class is measured beside."""
    return "pascal_voc/mAP" in known
