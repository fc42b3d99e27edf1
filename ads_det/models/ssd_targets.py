"""The targets of a whole batch at once, bit for bit those that mmdet finds image by image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.task_modules import BboxOverlaps2D, MaxIoUAssigner, PseudoSampler
from torch import Tensor


def can_batch(head: Any, sizes: Sequence[tuple[int, int]], metas: Sequence[dict]) -> bool:
    """Whether :func:`batch_targets` knows what the head is configured to do.

    Args:
        head: an anchor head of mmdet.
        sizes: Height and width of each level.
        metas: meta information of the images, with ``pad_shape``; anchors outside it are not
            valid.
    """
    assigner = head.assigner
    return (
        type(assigner) is MaxIoUAssigner
        and type(assigner.iou_calculator) is BboxOverlaps2D
        and type(head.sampler) is PseudoSampler
        and isinstance(assigner.neg_iou_thr, float)
        and assigner.ignore_iof_thr <= 0
        and assigner.min_pos_iou >= 0
        and assigner.match_low_quality
        and not assigner.gt_max_assign_all
        and assigner.gpu_assign_thr <= 0
        and assigner.perm_repeat_gt_cfg is None
        and head.train_cfg["allowed_border"] < 0
        and not head.reg_decoded_bbox
        and all(_covered(head, sizes, shape) for shape in {tuple(m["pad_shape"]) for m in metas})
    )


def _covered(head: Any, sizes: Sequence[tuple[int, int]], shape: tuple[int, ...]) -> bool:
    """Whether each cell of each level lies in an image, as mmdet's ``valid_flags`` reckon."""
    strides = head.prior_generator.strides
    return all(
        math.ceil(shape[0] / stride[1]) >= height and math.ceil(shape[1] / stride[0]) >= width
        for (height, width), stride in zip(sizes, strides, strict=True)
    )


def assign(overlaps: Tensor, counts: list[int], assigner: Any) -> Tensor:
    """What each anchor is to find, as mmdet's MaxIoUAssigner says.

    Args:
        overlaps: IoU of the boxes of all images, one after the other, and the anchors, (M, A).
        counts: boxes of each of N images, M in all.
        assigner: holds the thresholds.

    Returns:
        (N, A): 0 for background, i + 1 for box i of its image, -1 for neither.
    """
    n, most, anchors = len(counts), max(counts), overlaps.shape[1]
    if not most:
        return overlaps.new_zeros((n, anchors), dtype=torch.long)
    sizes = torch.tensor(counts)
    image = torch.repeat_interleave(torch.arange(n), sizes)
    place = torch.cat([torch.arange(c) for c in counts])
    each = overlaps.new_full((n, most, anchors), -1)
    each[image.to(overlaps.device), place.to(overlaps.device)] = overlaps
    best, which = each.max(dim=1)
    # background is 0 also where the image has no box at all
    found = torch.where(best < assigner.neg_iou_thr, 0, torch.full_like(which, -1))
    found = torch.where(best >= assigner.pos_iou_thr, which + 1, found)
    # each box takes the anchor that fits it best, whatever that fits better; later boxes last
    best_of_box, anchor = each.max(dim=2)
    rows = torch.arange(n, device=found.device)
    for i in range(most):  # nothing here waits for the device
        column = anchor[:, i]
        fits = best_of_box[:, i] >= assigner.min_pos_iou
        found[rows, column] = torch.where(fits, i + 1, found[rows, column])
    return found


def batch_targets(
    head: Any, anchors: Tensor, gt: list
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Targets of a head for which :func:`can_batch` holds; no value is read back from the device.

    Args:
        head: an anchor head of mmdet.
        anchors: Anchors, the same for every image, (A, 4).
        gt: boxes and labels of each of N images.

    Returns:
        Labels (N, A), their weights, box targets (N, A, 4), their weights, and the number of
        positives, where an image without any counts one.
    """
    counts = [len(one.bboxes) for one in gt]
    boxes = torch.cat([one.bboxes for one in gt])
    classes = torch.cat([one.labels for one in gt])
    found = assign(head.assigner.iou_calculator(boxes, anchors), counts, head.assigner)
    positive = found > 0
    positives = positive.sum(dim=1).clamp(min=1).sum()
    weight = head.train_cfg["pos_weight"]
    label_weights = (found == 0).to(anchors.dtype)
    label_weights += positive * (weight if weight > 0 else 1.0)
    labels = torch.full_like(found, head.num_classes)
    targets = anchors.new_zeros((*found.shape, 4))
    weights = positive[..., None].expand_as(targets).to(anchors.dtype)
    if len(boxes):
        first = torch.tensor([0, *counts[:-1]]).cumsum(0)[:, None].to(anchors.device)
        box = torch.where(positive, first + found - 1, 0)
        labels = torch.where(positive, classes[box], labels)
        encoded = head.bbox_coder.encode(anchors.repeat(len(gt), 1), boxes[box].flatten(0, 1))
        targets = torch.where(positive[..., None], encoded.view_as(targets), targets)
    return labels, label_weights, targets, weights, positives
