"""Training on labelled images alone."""

from __future__ import annotations

from ads_det.engine.methods.base import Method
from ads_det.registry import METHODS


@METHODS.register_module()
class Plain(Method):
    """Label training and nothing else.

    Args:
        members: number of trainings of a cycle; several make an ensemble (Beluch et al., CVPR
            2018), whose members differ in their seed: first weights, order and augmentation.
    """

    provides = frozenset()

    def __init__(self, members: int = 1) -> None:
        self.members = members
