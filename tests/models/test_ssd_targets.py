import pytest
import torch
from helpers import build_detector
from mmdet.models.dense_heads import AnchorHead
from mmengine.structures import InstanceData

from ads_det.models.ssd_targets import assign, can_batch


def random_objects(generator, number):
    corner = torch.rand(number, 2, generator=generator) * 50
    size = torch.rand(number, 2, generator=generator) * 40 + 2
    labels = torch.randint(3, (number,), generator=generator)
    return InstanceData(bboxes=torch.cat([corner, corner + size], dim=1), labels=labels)


@pytest.mark.parametrize("counts", [(3, 0, 1, 7), (0, 0), (1,), (12, 12, 12)])
@pytest.mark.parametrize("weight", [-1, 2.5])
def test_a_batch_has_the_targets_that_mmdet_finds_image_by_image(counts, weight):
    head = build_detector().bbox_head
    head.train_cfg["pos_weight"] = weight
    generator = torch.Generator().manual_seed(sum(counts))
    gt = [random_objects(generator, count) for count in counts]
    gt[0].bboxes[1:] = gt[0].bboxes[:1]  # equal boxes want the same anchors
    metas = [dict(img_shape=(64, 64), pad_shape=(64, 64))] * len(gt)
    sizes = [(8, 8), (4, 4), (2, 2)]
    anchors, valid = head.get_anchors(sizes, metas, device="cpu")
    assert can_batch(head, sizes, metas)
    levels = [torch.empty(len(gt), 1, *size) for size in sizes]
    *ours, positives, places = head._targets(levels, gt, metas, None)
    *theirs, expected = AnchorHead.get_targets(head, anchors, valid, gt, metas)
    assert positives == expected
    for mine, reference in zip(ours, theirs, strict=True):
        assert torch.equal(mine, torch.cat(reference, dim=1))
    assert torch.equal(places, torch.stack([torch.cat(image) for image in anchors]))


def test_assignment_by_hand():
    overlaps = torch.tensor([[0.6, 0.2, 0.1], [0.7, 0.1, 0.3], [0.4, 0.4, 0.1]])
    assigner = build_detector().bbox_head.assigner
    assigner.pos_iou_thr, assigner.neg_iou_thr, assigner.min_pos_iou = 0.5, 0.35, 0.0
    # image 0: both boxes like anchor 0 best, the later takes it; image 1 has no box; image 2:
    # its box takes the first of two equal anchors, the other lies between the thresholds
    found = assign(overlaps, [2, 0, 1], assigner)
    assert found.tolist() == [[2, 0, 0], [0, 0, 0], [1, -1, 0]]


def test_what_it_does_not_know_is_left_to_mmdet():
    head = build_detector().bbox_head
    sizes, metas = [(8, 8), (4, 4), (2, 2)], [dict(pad_shape=(64, 64))]
    assert can_batch(head, sizes, metas)
    outside = dict(pad_shape=(64, 40))
    assert not can_batch(head, sizes, [*metas, outside])
    _, valid = head.get_anchors(sizes, [*metas, outside], device="cpu")
    assert [bool(torch.cat(image).all()) for image in valid] == [True, False]
    head.assigner.gt_max_assign_all = True
    assert not can_batch(head, sizes, metas)
    head.assigner.gt_max_assign_all, head.assigner.ignore_iof_thr = False, 0.5
    assert not can_batch(head, sizes, metas)
