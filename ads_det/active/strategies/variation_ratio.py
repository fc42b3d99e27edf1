"""Images on whose class the predictions vote differently."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ads_det.active.strategies.members import Comparison
from ads_det.core.disagreement import class_votes, variation_ratio
from ads_det.registry import STRATEGIES


@STRATEGIES.register_module()
class VariationRatio(Comparison):
    """Largest share of votes against the most frequent class first (Gal et al., ICML 2017), see
    :func:`~ads_det.core.disagreement.variation_ratio` and :class:`Comparison`.

    Args:
        background: Whether the last class is the background, as for ads_det.LeastConfident.
        **kwargs: see :class:`Comparison`.
    """

    def __init__(self, background: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(background, bool):
            raise ValueError(f"background is {background!r}; use True or False")
        self.background = background

    def terms(self, y: Tensor) -> tuple[Tensor, ...]:
        return (class_votes(y, self.background and y.dim() == 3),)

    def value(self, *means: Tensor) -> Tensor:
        return variation_ratio(means[0])
