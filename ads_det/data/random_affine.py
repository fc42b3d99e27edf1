"""Random affine maps of images and boxes, with a say in how much of an object must be left."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from mmdet.datasets.transforms import RandomAffine as MMDetRandomAffine
from mmdet.structures.bbox import HorizontalBoxes, autocast_box_type

from ads_det.errors import ADSError
from ads_det.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomAffine(MMDetRandomAffine):
    """mmdet's, faster, of horizontal boxes, and with a say in how much of an object must be left.

    mmdet's keeps a box of which a pixel is left, and teaches the detector to find the object there.

    Args:
        min_visible: least share of a box's area that must lie inside the image, from 0 to 1;
            boxes of which less is left are dropped, as are those without an area there. If the
            image is turned, the box is the one around the turned corners.
        kwargs: as mmdet's class takes them, but for ``bbox_clip_border``: boxes are cut.

    Raises:
        ADSError: if ``min_visible`` has no meaning, or if there are masks or boxes of another
            kind.
    """

    def __init__(self, *, min_visible: float = 0.0, **kwargs: Any) -> None:
        if type(min_visible) not in (int, float) or not 0 <= min_visible <= 1:
            raise ADSError(
                f"RandomAffine.min_visible is {min_visible!r}; use a share of a box from 0 to 1."
            )
        super().__init__(**kwargs)
        if not self.bbox_clip_border:
            raise ADSError("ads_det.RandomAffine cuts boxes; leave bbox_clip_border out.")
        self.min_visible = min_visible

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        if "gt_masks" in results or not isinstance(_boxes(results), HorizontalBoxes):
            raise ADSError(
                "ads_det.RandomAffine moves images and horizontal boxes only; load neither masks "
                "nor boxes of another kind."
            )
        height = results["img"].shape[0] + 2 * self.border[1]
        width = results["img"].shape[1] + 2 * self.border[0]
        matrix = self._get_random_homography_matrix(height, width)[:2]
        results["img"] = cv2.warpAffine(
            results["img"], matrix, (width, height), borderValue=self.border_val
        )
        results["img_shape"] = (height, width)
        if "gt_bboxes" in results:
            boxes = results["gt_bboxes"].tensor.numpy()
            inside, share = moved_boxes(boxes, matrix, width, height)
            chosen = (share > 0) & (share >= self.min_visible)
            results["gt_bboxes"] = HorizontalBoxes(torch.from_numpy(inside[chosen]), clone=False)
            for name in results.keys() & {"gt_bboxes_labels", "gt_ignore_flags"}:
                results[name] = results[name][chosen]
        return results

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, min_visible={self.min_visible})"


def _boxes(results: dict) -> Any:
    return results.get("gt_bboxes", HorizontalBoxes(torch.empty(0, 4)))


def moved_boxes(
    boxes: np.ndarray, matrix: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes after an affine map, cut to the image.

    Args:
        boxes: corners x1, y1, x2, y2 in pixels, shape (n, 4).
        matrix: Affine map, shape (2, 3).
        width: Width of the mapped image, pixels.
        height: Height of the mapped image, pixels.

    Returns:
        The boxes around the moved corners, cut, shape (n, 4), and the share of the area of each
        that lies inside, shape (n,).
    """
    corners = boxes[:, [[0, 1], [2, 1], [0, 3], [2, 3]]] @ matrix[:, :2].T + matrix[:, 2]
    low, high = corners.min(axis=1), corners.max(axis=1)
    area = (high - low).prod(axis=1)
    low, high = (np.clip(end, 0, (width, height)).astype(boxes.dtype) for end in (low, high))
    left = (high - low).prod(axis=1)
    return np.hstack([low, high]), left / np.maximum(area, np.finfo(boxes.dtype).tiny)
