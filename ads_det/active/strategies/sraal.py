"""VAAL that knows labels and the model's uncertainty (Zhang et al., CVPR 2020)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ads_det.active.adversarial import LatentGame
from ads_det.active.fit_stage import FitStage
from ads_det.active.strategies.base import Gathered
from ads_det.active.strategies.vaal import VAAL, Extra
from ads_det.core.latent import uncertainty_indicator
from ads_det.core.outputs import MEMBERS, Outputs
from ads_det.core.ranking import check_topk, topk_reduce
from ads_det.core.uncertainty import class_distribution
from ads_det.registry import STRATEGIES


@STRATEGIES.register_module()
class SRAAL(VAAL):
    """A second decoder learns the labels of the labelled images, and the discriminator's target
    of an unlabelled image is 1 less the uncertainty of the cycle's model about it.

    The uncertainty is that of the trained model, in eval mode, of the image as it will be scored,
    computed once. For a detector, which the paper does not treat, it is the mean over the most
    uncertain anchors, and the second decoder learns which classes an image shows: both ours.

    Args:
        topk: number of anchors or, as a float, their fraction; ignored by classifiers.
        background: whether a detector's classes leave out the background, see
            :func:`~ads_det.core.uncertainty.class_distribution`.
        generator_steps: as for VAAL, but one by default.
        iterations: likewise, 50 times 390 by default.
        **kwargs: the other arguments of :class:`~ads_det.active.strategies.vaal.VAAL`.

    Raises:
        ValueError: if an argument has no meaning.
    """

    def __init__(
        self,
        topk: int | float = 20,
        background: bool = True,
        generator_steps: int = 1,
        iterations: int = 19_500,
        **kwargs: Any,
    ) -> None:
        super().__init__(generator_steps=generator_steps, iterations=iterations, **kwargs)
        check_topk(topk)
        if not isinstance(background, bool):
            raise ValueError(f"background is {background!r}; use True or False")
        self.topk, self.background = topk, background

    def indicator(self, outputs: Outputs) -> Tensor:
        """Uncertainty of the images of a batch, shape (N,)."""
        mean = outputs.mean
        distribution = class_distribution(mean, self.background and mean.dim() == 3)
        return topk_reduce(uncertainty_indicator(distribution), self.topk, "mean")

    def _prepare(self, stage: FitStage) -> tuple[Extra, float]:
        uncertainty = stage.measure(
            frozenset({MEMBERS}), lambda: Gathered(self.indicator), labeled=False
        )
        classes = stage.labeled_classes()

        def extra(labeled: list[str], unlabeled: list[str]) -> dict[str, Any]:
            # an image that became unreadable counts as uncertain: the neighbour shown in its
            # place is unlabelled too
            target = torch.tensor([1 - float(uncertainty.get(i, 1.0)) for i in unlabeled])
            return dict(classes=torch.stack([classes[i] for i in labeled]), target=target)

        return extra, 1 - float(np.mean(list(uncertainty.values())))

    def _game(self, device: torch.device, stage: FitStage, **more: Any) -> LatentGame:
        return super()._game(
            device,
            stage,
            num_classes=stage.num_classes(),
            several_classes=stage.is_detection(),
            **more,
        )
