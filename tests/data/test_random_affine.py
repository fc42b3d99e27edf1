"""A zoom and shift with a say in what must be left of an object."""

import copy

import numpy as np
import pytest
import torch
from mmdet.datasets.transforms import RandomAffine as MMDetRandomAffine
from mmdet.structures.bbox import HorizontalBoxes

from ads_det.data.random_affine import RandomAffine, moved_boxes
from ads_det.errors import ADSError

ARGS = dict(max_translate_ratio=0.3, scaling_ratio_range=(0.3, 1.2), border=(-16, -16))


def item(boxes):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    labels = np.arange(len(boxes))
    return dict(
        img=image,
        gt_bboxes=HorizontalBoxes(boxes),
        gt_bboxes_labels=labels,
        gt_ignore_flags=labels % 2 == 1,
    )


def test_an_object_half_outside_counts_as_half():
    move = np.array([[2.0, 0, -10], [0, 2, 0]])  # twice as large, 10 to the left
    boxes = np.array([[5, 5, 15, 15], [0, 5, 10, 15], [0, 0, 5, 5]], np.float32)
    inside, share = moved_boxes(boxes, move, 32, 32)
    # 0..20, cut at the left from -10, and gone
    assert inside.tolist() == [[0, 10, 20, 30], [0, 10, 10, 30], [0, 0, 0, 10]]
    assert share.tolist() == [1, 0.5, 0]


@pytest.mark.parametrize("rotate", [0, 20])
def test_boxes_are_those_of_mmdet_if_any_part_is_enough(rotate):
    boxes = np.random.default_rng(1).uniform(0, 40, (6, 4))
    given = item(np.hstack([boxes[:, :2], boxes[:, :2] + 4 + boxes[:, 2:] / 2]))
    theirs, ours = (
        kind(max_rotate_degree=rotate, **ARGS) for kind in (MMDetRandomAffine, RandomAffine)
    )
    dropped = 0
    for seed in range(20):
        results = []
        for transform in (theirs, ours):
            np.random.seed(seed)
            results.append(transform(copy.deepcopy(given)))
        old, new = results
        np.testing.assert_allclose(new["gt_bboxes"].tensor, old["gt_bboxes"].tensor, atol=1e-4)
        for name in ("gt_bboxes_labels", "gt_ignore_flags"):
            assert np.array_equal(new[name], old[name])
        assert new["img_shape"] == old["img_shape"] == new["img"].shape[:2]
        assert np.abs(new["img"].astype(int) - old["img"]).mean() < 2  # rounding
        dropped += 6 - len(new["gt_bboxes"])
    assert dropped  # some lay outside


def test_what_is_mostly_cut_off_is_forgotten():
    transform = RandomAffine(max_rotate_degree=0, max_shear_degree=0, min_visible=0.5, **ARGS)
    given = item([[10.0, 10, 50, 50], [0, 0, 20, 20], [44, 0, 64, 20]])
    kept = []
    for seed in range(30):
        np.random.seed(seed)
        matrix = transform._get_random_homography_matrix(32, 32)[:2]
        _, share = moved_boxes(given["gt_bboxes"].tensor.numpy(), matrix, 32, 32)
        np.random.seed(seed)
        found = transform(copy.deepcopy(given))["gt_bboxes_labels"].tolist()
        assert found == np.flatnonzero(share >= 0.5).tolist()
        kept.append(len(found))
    assert min(kept) < max(kept)


def test_a_sliver_is_forgotten():
    still = dict(max_rotate_degree=0, max_shear_degree=0, max_translate_ratio=0.0)
    still |= dict(scaling_ratio_range=(1.0, 1.0), border=(-16, -16))  # cut to 32 px
    boxes = [
        [0.0, 0, 40, 10],
        [20, 0, 60, 10],
        [30, 0, 50, 10],
        [5, 5, 5, 9],
    ]  # .8, .3, .1, nothing
    found = [RandomAffine(min_visible=m, **still)(item(boxes)) for m in (0, 0.2, 0.5)]
    assert [f["gt_bboxes_labels"].tolist() for f in found] == [[0, 1, 2], [0, 1], [0]]
    assert found[1]["gt_bboxes"].tensor.tolist() == [[0, 0, 32, 10], [20, 0, 32, 10]]


def test_images_without_boxes_or_with_those_of_numpy_pass():
    given = item([[5.0, 5, 40, 40]])
    for name in ("gt_bboxes_labels", "gt_ignore_flags"):
        del given[name]
    assert isinstance(RandomAffine(**ARGS)(given)["gt_bboxes"], HorizontalBoxes)
    given = item([[5.0, 5, 40, 40]])
    as_numpy = RandomAffine(**ARGS)(given | dict(gt_bboxes=given["gt_bboxes"].numpy()))
    assert isinstance(as_numpy["gt_bboxes"], np.ndarray)
    assert len(RandomAffine(**ARGS)(item([]))["gt_bboxes"]) == 0
    assert "gt_bboxes" not in RandomAffine(**ARGS)(dict(img=item([])["img"]))


@pytest.mark.parametrize("share", [-0.1, 1.5, "half", True, None])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ADSError, match=r"min_visible is .* from 0 to 1"):
        RandomAffine(min_visible=share)


def test_masks_and_uncut_boxes_are_refused():
    with pytest.raises(ADSError, match="horizontal boxes only"):
        RandomAffine(**ARGS)(item([]) | dict(gt_masks=1))
    with pytest.raises(ADSError, match="leave bbox_clip_border out"):
        RandomAffine(bbox_clip_border=False)
