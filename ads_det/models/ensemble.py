"""Several models of one architecture that predict together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModel
from torch import Tensor, nn

from ads_det.errors import ADSError


class Ensemble(BaseModel):
    """Predicts by the mean over its members, as their class says
    (``TwoClassifierModel.predict_jointly``).

    Args:
        models: trained, each with the same data preprocessor; not copied.

    Raises:
        ADSError: if they cannot predict together.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__(data_preprocessor=models[0].data_preprocessor)
        if not hasattr(models[0], "predict_jointly"):
            raise ADSError(
                f"{type(models[0]).__name__} has no joint prediction of several members; use "
                "method.members=1."
            )
        self.models = nn.ModuleList(models)

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = "predict") -> Any:
        """The prediction; there is no other mode."""
        assert mode == "predict"
        return self.models[0].predict_jointly(list(self.models), inputs, data_samples)
