"""The model's own boxes, for a person to correct, where it is worth it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_gather_object
from mmengine.registry import DATASETS
from torch import nn

from ads_det.active.scoring import build_shard, evaluating, scorable_model
from ads_det.console import progress_bar
from ads_det.core.proposal_score import FEWEST, LEAST_PRECISION
from ads_det.distributed import from_main
from ads_det.engine.datasets import bare_dataset
from ads_det.engine.phases import unwrap
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.results import CycleResult


def choose_threshold(fixed: float | None, result: CycleResult) -> tuple[float | None, str]:
    """From which score on a cycle's boxes are proposed, and why, for those who label.

    Args:
        fixed: the user's choice; None to choose by the precision on the test images.
        result: Result of the cycle.

    Returns:
        The least score of a box, None for no proposals; and a text.
    """
    found = result.proposals()
    if fixed is not None:
        return fixed, f"Proposed are the model's boxes with a score of {fixed:g} or more."
    if found is None:
        return None, (
            "No boxes are proposed, since the model's are not right often enough yet: on the test "
            f"images no score was reached by {FEWEST} boxes or more of which at least "
            f"{LEAST_PRECISION:.0%} were right."
        )
    threshold, precision = found
    return threshold, (
        f"Proposed are the model's boxes with a score of {threshold:.2f} or more. Of such boxes "
        f"{precision:.0%} were right on the test images (the class, and an IoU of 0.5), so look at "
        "each, and add what is missing."
    )


@torch.inference_mode()
def propose_boxes(
    model: nn.Module,
    dataloader: dict,
    ids: Sequence[str],
    classes: Sequence[str],
    threshold: float,
) -> list[ImageLabels]:
    """The boxes that a detector predicts in some images, by its ``predict``.

    Every process calls it with the same arguments, sees its share of the images and returns all.

    Args:
        model: any detector of mmdet or an ADSDetector, distributed or not; its mode is restored.
        dataloader: config of the loader of candidates (``dataset``, ``batch_size``,
            ``num_workers``), whose images are loaded upright, as mmcv does unless told otherwise.
        ids: ids of the images.
        classes: names of the labels; a label beyond them is named by its number.
        threshold: least score of a box.

    Returns:
        One item an image, in the order of ``ids``, not ``checked``: the boxes in pixels of the
        upright image, clipped to it, best first, those without area left out. Images that cannot
        be read have no boxes and the size 0 x 0.
    """
    inner = scorable_model(model)  # repairs mmdet's SSD, too
    found: list[ImageLabels] = []
    readable = _readable(dataloader["dataset"], ids)
    if readable:
        dataset = dict(dataloader["dataset"], ids=readable)
        _, _, loader = build_shard(dict(dataloader, dataset=dataset))
        with evaluating(unwrap(model)):
            for batch in progress_bar(loader, "predict"):
                data = inner.data_preprocessor(batch, training=False)
                samples = inner._run_forward(data, mode="predict")
                # an image that broke meanwhile was replaced by its neighbour
                whole = [s for s in samples if not s.get("unreadable", False)]
                found += [_image_labels(sample, classes, threshold) for sample in whole]
    shards: list[list[ImageLabels]] = all_gather_object(found)
    labels = {item.image: item for shard in shards for item in shard}
    return [labels.get(name) or ImageLabels(name, 0, 0, (), checked=False) for name in ids]


def _readable(dataset: dict, ids: Sequence[str]) -> list[str]:
    """The ids whose images can be read; the main process looks."""
    if not ids:
        return []
    images = DATASETS.build(bare_dataset(dataset, lazy_init=True))
    refused = from_main(lambda: set(images.unreadable_images(ids)))
    return [name for name in ids if name not in refused]


def _image_labels(sample: Any, classes: Sequence[str], threshold: float) -> ImageLabels:
    """From a data sample with predictions in pixels of the original image."""
    height, width = sample.ori_shape[:2]
    instances = sample.pred_instances
    boxes = []
    for i in instances.scores.argsort(descending=True, stable=True).tolist():
        score, label = float(instances.scores[i]), int(instances.labels[i])
        if score < threshold:
            break
        x1, y1, x2, y2 = instances.bboxes[i].tolist()
        x1, x2 = (min(max(x, 0.0), float(width)) for x in (x1, x2))
        y1, y2 = (min(max(y, 0.0), float(height)) for y in (y1, y2))
        if x2 > x1 and y2 > y1:
            name = classes[label] if label < len(classes) else str(label)
            boxes.append(Box(name, x1, y1, x2, y2, score))
    return ImageLabels(sample.img_id, width, height, tuple(boxes), checked=False)
