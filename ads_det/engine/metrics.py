"""Metrics of the joint prediction and of each classifier."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from multiprocessing.pool import ThreadPool
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from ads_det.engine.coco_file import build_metric
from ads_det.engine.interval_metric import IntervalMetric
from ads_det.engine.proposal_metric import ProposalMetric
from ads_det.registry import METRICS

FEW = 500  # test images
# name of each prediction in the results, and the end of its field in a data sample
PREDICTIONS = {"mean": "", "classifier_1": "_f1", "classifier_2": "_f2"}


@METRICS.register_module()
class PerClassifierMetric(BaseMetric):
    """Evaluate the mean of the classifiers and each of them with the same metric.

    Args:
        metric: config of any metric that reads ``pred_instances``.

    The results carry the prefixes ``mean/``, ``classifier_1/`` and ``classifier_2/``; a prediction
    that the model did not make (a plain model has no second one) is left out.
    """

    def __init__(self, metric: dict) -> None:
        super().__init__()
        self._cfg = metric
        self._metrics = {"mean": build_metric(metric)}
        self._beside = _beside(metric)

    @property
    def dataset_meta(self) -> dict | None:
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, meta: dict) -> None:
        self._dataset_meta = meta
        for metric in (*self._metrics.values(), *self._beside):
            metric.dataset_meta = meta

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        for name, suffix in PREDICTIONS.items():
            field = f"pred_instances{suffix}"
            if field not in data_samples[0]:
                continue
            if name not in self._metrics:
                self._metrics[name] = build_metric(self._cfg)
                self._metrics[name].dataset_meta = self.dataset_meta
            renamed = [_with_prediction(sample, field) for sample in data_samples]
            self._metrics[name].process(data_batch, renamed)
            for metric in self._beside if name == "mean" else ():
                metric.process(data_batch, renamed)

    def evaluate(self, size: int) -> dict[str, float]:
        named = [*self._metrics.items(), *(("mean", metric) for metric in self._beside)]
        with _threads_for_forks() if size <= FEW else nullcontext():
            found = {
                f"{name}/{key}": value
                for name, metric in named
                for key, value in _evaluated(metric, size).items()
            }
        # an ensemble is tested after its first member, and has no predictions of classifiers
        self._metrics = {"mean": self._metrics["mean"]}
        return found

    def compute_metrics(self, results: list) -> dict[str, float]:
        raise AssertionError("the inner metrics compute")


def _with_prediction(sample: dict, field: str) -> dict:
    """A data sample whose only prediction is that of a field; mmdet's metrics copy all they get."""
    kept = {k: v for k, v in sample.items() if not k.startswith("pred_instances")}
    return kept | {"pred_instances": sample[field]}


def _evaluated(metric: BaseMetric, size: int) -> dict[str, float]:
    """What a metric measures; zeros where CocoMetric gives nothing, since not one box was found."""
    found: dict[str, float] = metric.evaluate(size)
    if not found and type(metric).__name__ == "CocoMetric":
        names = [f"{metric.prefix}/{kind}_mAP" for kind in metric.metrics if kind != "proposal"]
        return {f"{name}{end}": 0.0 for name in names for end in ("", "_50", "_75")}
    return found


@contextmanager
def _threads_for_forks() -> Iterator[None]:
    """mmdet's ``eval_map`` forks four processes for each call, which takes longer than to match the
    boxes of few images; in the context it gets as many threads."""
    from mmdet.evaluation.functional import mean_ap  # after the registry, which supplies its ops

    processes = mean_ap.Pool
    mean_ap.Pool = ThreadPool
    try:
        yield
    finally:
        mean_ap.Pool = processes


def _beside(metric: dict) -> list[BaseMetric]:
    """What is measured beside the metric of the mean prediction: which boxes are worth proposing;
    and beside VOC's mAP its interval and its classes."""
    beside: list[BaseMetric] = [ProposalMetric()]
    is_voc = str(metric["type"]).rpartition(".")[2] == "VOCMetric"
    one = np.size(metric.get("iou_thrs", 0.5)) == 1  # the mean over several has no interval here
    if is_voc and one and metric.get("metric", "mAP") == "mAP":
        options = {k: metric[k] for k in ("iou_thrs", "eval_mode", "prefix") if k in metric}
        beside.append(IntervalMetric(**options))
    return beside


@METRICS.register_module()
class AccuracyMetric(BaseMetric):
    """Share of images whose most probable class is the right one.

    It reads ``pred_mean``, ``pred_f1``, ``pred_f2`` and so on (as many as there are classifiers and
    members), class probabilities (C,), and ``gt_label``. Results, from 0 to 1: ``mean/accuracy``
    of the averaged prediction, ``classifier_1/accuracy`` and so on, and ``classifiers/accuracy``,
    the mean of the accuracies of the single classifiers, which is what the paper's authors report.
    """

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        numbers = itertools.takewhile(lambda i: f"pred_f{i}" in data_samples[0], itertools.count(1))
        fields = {"mean": "pred_mean"} | {f"classifier_{i}": f"pred_f{i}" for i in numbers}
        names = list(fields)
        truth: Tensor = torch.stack([sample["gt_label"] for sample in data_samples])
        correct = {
            name: (torch.stack([s[fields[name]] for s in data_samples]).argmax(1) == truth)
            for name in names
        }
        columns = [flags.tolist() for flags in correct.values()]
        self.results.extend(dict(zip(names, row, strict=True)) for row in zip(*columns))

    def compute_metrics(self, results: list[dict[str, bool]]) -> dict[str, float]:
        accuracy = {n: sum(row[n] for row in results) / len(results) for n in results[0]}
        single = [value for name, value in accuracy.items() if name != "mean"]
        accuracy["classifiers"] = sum(single) / len(single)
        return {f"{name}/accuracy": value for name, value in accuracy.items()}
