"""RTMDet's heads with two adversarial classifiers."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.dense_heads import RTMDetHead, RTMDetSepBNHead

from ads_det.models.doubled_layer import layers_of
from ads_det.models.two_classifier_head import ASSIGN_BY, TwoClassifierHead
from ads_det.registry import MODELS


class _TwoClassifierRTMDet(TwoClassifierHead):
    classification_layer = "rtm_cls"

    def __init__(self, *args: Any, assign_by: str = "mean", **kwargs: Any) -> None:
        if assign_by not in ASSIGN_BY:
            raise ValueError(f"assign_by is {assign_by!r}; use one of {', '.join(ASSIGN_BY)}")
        self.assign_by = assign_by
        super().__init__(*args, **kwargs)

    def init_weights(self) -> None:
        """As the head, which knows its own layer by name: f2 has the same prior."""
        super().init_weights()
        first, *others = map(layers_of, self.classifiers())
        with torch.no_grad():
            for second in others:
                for layer, double in zip(first, second, strict=True):
                    double.bias.copy_(layer.bias)


@MODELS.register_module()
class ADSRTMDetHead(_TwoClassifierRTMDet, RTMDetHead):
    """RTMDet's head (Lyu et al., 2022) whose last classification layer is doubled.

    Its assigner reads the scores of the model that is being trained. Both classifiers learn the
    targets that it finds with one set of scores.

    Args:
        assign_by: ``'mean'``: the scores are the mean of both classifiers' probabilities;
            ``'f1'``: those of the first.
        **kwargs: as in mmdet's RTMDetHead and :class:`TwoClassifierHead`.

    Raises:
        ValueError: if an argument has no meaning.
    """


@MODELS.register_module()
class ADSRTMDetSepBNHead(_TwoClassifierRTMDet, RTMDetSepBNHead):
    """As :class:`ADSRTMDetHead` for the head of the published RTMDet models: f1 and f2 are a
    convolution for each level."""
