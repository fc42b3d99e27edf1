"""Who knows the labels."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.registry import DATASETS

from ads_det.engine.training import bare_dataset


class SimulatedOracle:
    """Answers from the annotations of a fully labelled data set.

    It is the only thing that reads labels of the pool, and only of the images it is asked for.

    Args:
        dataset: config of the training data set.
    """

    def __init__(self, dataset: dict) -> None:
        self._dataset = dataset

    def count_objects(self, ids: Sequence[str]) -> dict[str, int]:
        """Number of annotated objects of the configured classes in each image."""
        if not ids:
            return {}
        objects: dict[str, int] = DATASETS.build(
            bare_dataset(self._dataset, ids=list(ids))
        ).count_objects()
        return objects
