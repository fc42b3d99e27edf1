"""From which score on a detector's boxes are worth proposing, measured on the test images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from ads_det.core.proposal_score import least_score
from ads_det.engine.interval_metric import NO_HITS, image_hits

IOU = 0.5


class ProposalMetric(BaseMetric):
    """The score from which on boxes are right more often than wrong, and what share of them is; see
    :func:`~ads_det.core.proposal_score.least_score`.

    A box is right if it is the best-scored one of its class that overlaps an object of that class
    by an IoU of 0.5 or more; each object counts once. Results, left out where no score is enough:
    ``proposals/threshold`` and ``proposals/precision``.
    """

    default_prefix = "proposals"

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            known = "bboxes" in sample.get("gt_instances", {}) and "ignored_instances" in sample
            hits = image_hits(sample, IOU).values() if known else ()
            scores, right, _ = zip(NO_HITS, *hits)
            self.results.append((np.concatenate(scores), np.concatenate(right)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        scores, hits = (np.concatenate(column) for column in zip(*results))
        found = least_score(scores, hits)
        return {} if found is None else dict(zip(("threshold", "precision"), found))
