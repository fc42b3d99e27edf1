"""Who knows the labels."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from mmengine.registry import DATASETS


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
        cfg = copy.deepcopy(self._dataset)
        cfg.update(ids=list(ids), pipeline=[], filter_cfg=None, serialize_data=False)
        dataset = DATASETS.build(cfg)
        dataset.full_init()
        return {name: len(dataset.get_data_info(i)["instances"]) for i, name in enumerate(ids)}
