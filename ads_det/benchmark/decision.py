"""The sections of a report for somebody who decides: summary, classes, failures."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ads_det.benchmark.run_folder import RunFolder
from ads_det.data.classification import ClassificationDataset
from ads_det.engine.datasets import class_names, dataset_class, pool_config
from ads_det.engine.training import evaluation_runner
from ads_det.labels.sizes import open_upright
from ads_det.report.failures import failure_picture, judge
from ads_det.report.history import few_test_images
from ads_det.report.model_figures import LEAST_SCORE
from ads_det.report.page import Page
from ads_det.report.summary import plot_classes, summary

SHOWN_FAILURES = 9


def add_summary(page: Page, run: RunFolder) -> None:
    """Three sentences made of the run's numbers, and the precision of each class."""
    metric = run.history["metric"]
    page.heading("Summary")
    for sentence in summary(run.rows, metric, run.history.get("advice") or {}):
        page.paragraph(sentence)
    for sentence in few_test_images(run.rows[-1], metric):
        page.warning(sentence)
    by_class = run.rows[-1].by_class(metric)
    if len(by_class) > 1:
        before = run.rows[-2].by_class(metric) if len(run.rows) > 1 else {}
        page.figure("by_class", plot_classes(by_class, before), "Average precision by class")


@torch.inference_mode()
def add_failures(page: Page, run: RunFolder) -> None:
    """The test images on which the last model is worst, with what it missed and invented."""
    cfg = run.config
    kind = dataset_class(pool_config(cfg))
    models = [c.found_models() for c in run.files.cycles().values() if c.found_models()]
    if kind is None or issubclass(kind, ClassificationDataset) or not models:
        return
    runner = evaluation_runner(cfg, models[-1][0], page.folder / "log")
    model, classes = runner.model.eval(), class_names(pool_config(cfg))
    judged: list[tuple[str, str, Any]] = []
    for batch in runner.test_dataloader:
        for sample in model.test_step(batch):
            if sample.get("img_path") is None:  # images that lie in memory
                return
            found, truth = sample.pred_instances.cpu().numpy(), sample.gt_instances.cpu().numpy()
            sure = found.scores >= LEAST_SCORE
            result = judge(
                found.bboxes[sure],
                found.labels[sure].tolist(),
                found.scores[sure].tolist(),
                np.asarray(truth.bboxes).reshape(-1, 4),
                truth.labels.tolist(),
                classes,
            )
            judged.append((sample.img_path, str(sample.img_id), result))
    judged.sort(key=lambda item: (-item[2].errors, item[1]))
    worst = [item for item in judged if item[2].errors][:SHOWN_FAILURES]
    if not worst:
        return
    page.heading("Worst test images")
    page.paragraph(
        f"Of {len(judged)} test images those with the most errors: green found, red missed, orange "
        f"invented, magenta of the wrong class; predictions with scores of {LEAST_SCORE} and more."
    )
    shown = [
        (failure_picture(open_upright(path), result), f"{name[-34:]}: {result}")
        for path, name, result in worst
    ]
    page.gallery("failures", shown, kind="wide")
