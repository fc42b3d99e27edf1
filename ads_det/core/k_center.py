"""k-centre greedy: points that cover the others (Sener and Savarese, ICLR 2018, Alg. 1)."""

from __future__ import annotations

import numpy as np

_CHUNK = 256  # centres whose distances are taken at once


def distance_to_centers(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Squared Euclidean distance from each point to its nearest centre.

    Args:
        points: shape (N, D).
        centers: shape (M, D).

    Returns:
        Shape (N,), float32; infinite without centres. Memory is that of 256 N distances at
        most, never of N x N or N x M.
    """
    nearest = np.full(len(points), np.inf, np.float32)
    lengths = np.einsum("nd,nd->n", points, points)
    for start in range(0, len(centers), _CHUNK):
        chunk = centers[start : start + _CHUNK]
        squared = points @ (-2 * chunk.T)
        squared += np.einsum("md,md->m", chunk, chunk)
        np.minimum(nearest, squared.min(axis=1) + lengths, out=nearest)
    return np.maximum(nearest, 0)


def k_center_greedy(
    points: np.ndarray, budget: int, centers: np.ndarray | None = None
) -> list[int]:
    """Choose, one after the other, the point farthest from all centres and points chosen before.

    Args:
        points: shape (N, D).
        budget: how many to choose, at most N.
        centers: points that are covered already, shape (M, D). Without any, the first choice
            is the point farthest from the mean of all.

    Returns:
        Positions in ``points`` in order of choice; of equal distances the first position.

    Raises:
        ValueError: if there are fewer points than ``budget``.
    """
    if budget > len(points):
        raise ValueError(f"{budget} images asked of {len(points)} candidates")
    points = np.ascontiguousarray(points, np.float32)
    lengths = np.einsum("nd,nd->n", points, points)
    if centers is None or len(centers) == 0:
        nearest = distance_to_centers(points, points.mean(axis=0, keepdims=True))
    else:
        nearest = distance_to_centers(points, np.asarray(centers, np.float32))
    has_centers = centers is not None and len(centers) > 0
    chosen: list[int] = []
    for _ in range(budget):
        farthest = int(nearest.argmax())
        to_new = np.maximum(points @ (-2 * points[farthest]) + lengths + lengths[farthest], 0)
        # the mean of all only says where to begin
        nearest = np.minimum(nearest, to_new) if has_centers or chosen else to_new
        chosen.append(farthest)
        nearest[chosen] = -1  # never again, whatever rounding leaves of a distance of 0
    return chosen
