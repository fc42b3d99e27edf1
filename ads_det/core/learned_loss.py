"""The ranking loss of LL4AL (Yoo and Kweon, Learning Loss for Active Learning, CVPR 2019)."""

from __future__ import annotations

from torch import Tensor

from ads_det.core.entropy import check_same_shape


def pairwise_hinge(predicted: Tensor, target: Tensor, margin: float = 1.0) -> Tensor:
    """Eq. 2 of the paper: image i is compared with image B - 1 - i of its batch.

    ``max(0, margin - s (p_i - p_j))`` with s = 1 if ``l_i > l_j`` and -1 otherwise, mean over the
    B / 2 pairs. Only the order of the losses counts, so the predictor need not follow their scale.

    Args:
        predicted: predicted losses, shape (B,) with an even B.
        target: true losses, same shape; no gradient goes through them.
        margin: by how much the predictions of a pair should differ.

    Returns:
        A scalar.

    Raises:
        ValueError: if the shapes differ ((B, 1) would broadcast against (B,) and compare every
            image with every other one), or there is no pair, or an image without partner.
    """
    check_same_shape((predicted, target))
    size = len(predicted)
    if predicted.dim() != 1 or size == 0 or size % 2:
        raise ValueError(
            f"losses of shape {tuple(predicted.shape)} are no pairs; give one value an image, of "
            "an even number of images"
        )
    difference = (predicted - predicted.flip(0))[: size // 2]
    sign = 2 * (target > target.flip(0))[: size // 2].to(difference) - 1
    return (margin - sign * difference).clamp(min=0).mean()
