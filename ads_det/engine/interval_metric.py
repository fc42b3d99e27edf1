"""What stands beside a mean average precision: its interval, and the precision of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from ads_det.core.bootstrap import ClassHits, average_precisions, mean_precision_interval


class IntervalMetric(BaseMetric):
    """Beside mmdet's ``VOCMetric`` of the same arguments.

    Results: ``pascal_voc/mAP_low`` and ``mAP_high``, the 95 % bootstrap interval over test images;
    ``AP/<class>`` of each class with an object; ``test_images``, their number.

    Args:
        iou_thrs: Least overlap of a hit, as ``VOCMetric`` takes it: a number, or a list of one.
        eval_mode: How precision is averaged, as ``VOCMetric`` takes it.
        prefix: Prefix of the results' names, as ``VOCMetric`` takes it.
    """

    default_prefix = "pascal_voc"

    def __init__(
        self,
        iou_thrs: float | Sequence[float] = 0.5,
        eval_mode: str = "11points",
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix=prefix)
        self._iou = float(np.asarray(iou_thrs).item())
        self._eleven = eval_mode == "11points"

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            classes = range(len(self.dataset_meta["classes"]))
            self.results.append([hits_of_class(sample, c, self._iou) for c in classes])

    def compute_metrics(self, results: list) -> dict[str, float]:
        names = self.dataset_meta["classes"]
        classes = [_joined([image[c] for image in results]) for c in range(len(names))]
        once = np.ones((1, len(results)))
        metrics: dict[str, float] = dict(test_images=len(results))
        for name, found in zip(names, classes, strict=True):
            if found.objects.any():
                metrics[f"AP/{name}"] = float(average_precisions(found, once, self._eleven)[0])
        interval = mean_precision_interval(classes, self._eleven)
        if interval:
            metrics["mAP_low"], metrics["mAP_high"] = interval
        return metrics


def hits_of_class(sample: dict, label: int, iou: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Scores and hits of the detections of a class in an image, and its number of objects.

    The best-scored detection takes an object; those on objects that do not count are left out.

    Args:
        sample: with ``pred_instances``, ``gt_instances`` and ``ignored_instances``.
        label: the class.
        iou: least overlap of a hit.
    """
    from mmdet.evaluation.functional.mean_ap import tpfp_default

    found, truth, ignored = (
        _of_label(sample[name], label)
        for name in ("pred_instances", "gt_instances", "ignored_instances")
    )
    scores = found["scores"].cpu().numpy().astype(float)
    boxes = found["bboxes"].cpu().numpy().reshape(-1, 4)
    if not len(boxes):
        return scores, np.zeros(0, bool), len(truth["labels"])
    hits, wrong = tpfp_default(
        np.hstack([boxes, scores[:, None]]),
        truth["bboxes"].cpu().numpy().reshape(-1, 4),
        ignored["bboxes"].cpu().numpy().reshape(-1, 4),
        iou,
        use_legacy_coordinate=True,
    )
    counts = (hits[0] + wrong[0]) > 0  # others lie on objects that do not count
    return scores[counts], hits[0][counts] > 0, len(truth["labels"])


def _of_label(instances: Any, label: int) -> dict[str, Any]:
    chosen = instances["labels"] == label
    names = [name for name in ("bboxes", "labels", "scores") if name in instances]
    return {name: instances[name][chosen] for name in names}


def _joined(images: list[tuple[np.ndarray, np.ndarray, int]]) -> ClassHits:
    return ClassHits(
        np.concatenate([scores for scores, _, _ in images]),
        np.concatenate([hits for _, hits, _ in images]),
        np.repeat(np.arange(len(images)), [len(scores) for scores, _, _ in images]),
        np.array([objects for _, _, objects in images]),
    )
