"""Learning rates over a training."""

from __future__ import annotations

import math
from typing import Any

from mmengine.optim import CosineAnnealingLR

from ads_det.errors import ADSError
from ads_det.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class LateCosineLR(CosineAnnealingLR):
    """The learning rate stays as it is, and falls to 0 along half a cosine at the end of training.

    The same as mmengine's ``CosineAnnealingLR`` with the ``begin`` and ``T_max`` that follow from
    the length of training, so that this can be changed by itself.

    Args:
        share: Share of training in which it falls, above 0 and at most 1.
        end: Length of training, which the Runner gives.

    The other arguments are those of ``CosineAnnealingLR``.

    Raises:
        ADSError: if the share has no meaning, nothing says when training ends, or ``begin`` or
            ``T_max`` are given.
    """

    def __init__(
        self, optimizer: Any, *args: Any, share: float, end: float = math.inf, **kwargs: Any
    ) -> None:
        for name in kwargs.keys() & {"begin", "T_max"}:
            raise ADSError(f"LateCosineLR finds {name!r} by itself; leave it out, or set `share`.")
        if type(share) not in (int, float) or not 0 < share <= 1:
            raise ADSError(f"LateCosineLR.share is {share!r}; use a number above 0, at most 1.")
        if not end < 10**9:
            raise ADSError("LateCosineLR does not know when training ends; give it `end`.")
        fall = max(1, round(share * end))
        super().__init__(optimizer, *args, begin=int(end) - fall, end=end, **kwargs)

    @classmethod
    def build_iter_from_epoch(
        cls, *args: Any, end: float, epoch_length: int, by_epoch: bool = True, **kwargs: Any
    ) -> LateCosineLR:
        """One that is stepped after each iteration."""
        return cls(*args, end=int(end * epoch_length), by_epoch=False, **kwargs)
