"""Images whose two best classes are closest."""

from __future__ import annotations

from ads_det.active.strategies.least_confident import AnchorUncertainty
from ads_det.core.uncertainty import inverse_margin
from ads_det.registry import STRATEGIES


@STRATEGIES.register_module()
class Margin(AnchorUncertainty):
    """Images with the smallest difference of the two largest class probabilities, see
    :class:`~ads_det.active.strategies.least_confident.AnchorUncertainty`."""

    uncertainty = staticmethod(inverse_margin)
