"""What stands beside a mean average precision: its interval, and the precision of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from mmengine.evaluator import BaseMetric

from ads_det.core.bootstrap import ClassHits, average_precisions, mean_precision_interval


class Hits(NamedTuple):
    """Detections of one class in an image.

    Args:
        scores: shape (D,).
        hits: whether each found an object that no better one had found, shape (D,).
        objects: number of objects of the class in the image.
    """

    scores: np.ndarray
    hits: np.ndarray
    objects: int


NO_HITS = Hits(np.zeros(0), np.zeros(0, bool), 0)


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
            self.results.append(image_hits(sample, self._iou))

    def compute_metrics(self, results: list) -> dict[str, float]:
        names = self.dataset_meta["classes"]
        classes = [_joined([image.get(c, NO_HITS) for image in results]) for c in range(len(names))]
        once = np.ones((1, len(results)))
        metrics: dict[str, float] = dict(test_images=len(results))
        for name, found in zip(names, classes, strict=True):
            if found.objects.any():
                metrics[f"AP/{name}"] = float(average_precisions(found, once, self._eleven)[0])
        interval = mean_precision_interval(classes, self._eleven)
        if interval:
            metrics["mAP_low"], metrics["mAP_high"] = interval
        return metrics


def image_hits(sample: dict, iou: float) -> dict[int, Hits]:
    """Which detections of an image are hits, by class; classes with neither are left out.

    The best-scored detection takes an object; those on objects that do not count are left out.

    Args:
        sample: with ``pred_instances``, ``gt_instances`` and ``ignored_instances``.
        iou: least overlap of a hit.
    """
    from mmdet.evaluation.functional.mean_ap import tpfp_default

    names = ("pred_instances", "gt_instances", "ignored_instances")
    labels = [sample[name]["labels"].cpu().numpy() for name in names]
    boxes = [sample[name]["bboxes"].cpu().numpy().reshape(-1, 4) for name in names]
    scores = sample["pred_instances"]["scores"].cpu().numpy().astype(float)
    hits_of = {}
    for label in np.unique(np.concatenate(labels[:2])).tolist():
        mine = [own == label for own in labels]
        found, truth, ignored = (own[chosen] for own, chosen in zip(boxes, mine))
        own_scores, hit = scores[mine[0]], np.zeros(0, bool)
        if len(found):
            right, wrong = tpfp_default(
                np.hstack([found, own_scores[:, None]]),
                truth,
                ignored,
                iou,
                use_legacy_coordinate=True,
            )
            counts = (right[0] + wrong[0]) > 0  # others lie on objects that do not count
            own_scores, hit = own_scores[counts], right[0][counts] > 0
        hits_of[label] = Hits(own_scores, hit, len(truth))
    return hits_of


def _joined(images: list[Hits]) -> ClassHits:
    return ClassHits(
        np.concatenate([scores for scores, _, _ in images]),
        np.concatenate([hits for _, hits, _ in images]),
        np.repeat(np.arange(len(images)), [len(scores) for scores, _, _ in images]),
        np.array([objects for _, _, objects in images]),
    )
