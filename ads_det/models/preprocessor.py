"""What happens to a batch before the model sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.models import DetDataPreprocessor as MMDetDataPreprocessor
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from ads_det.errors import ADSError
from ads_det.registry import MODELS


@MODELS.register_module()
class DetDataPreprocessor(MMDetDataPreprocessor):
    """mmdet's, without its copy of each data sample from the CPU to the CPU."""

    def cast_data(self, data: dict[str, Any]) -> dict[str, Any]:
        return dict(data) if self.device.type == "cpu" else super().cast_data(data)


@MODELS.register_module()
class BatchAugmentPreprocessor(BaseDataPreprocessor):
    """Random crop, mirror and normalisation of a batch at once, on the model's device.

    Augments only in training. All images of a batch are cut by a single indexing operation.
    Random numbers come from torch's global generator on the CPU, so that a seed gives the same
    batches on every device.

    Args:
        mean: mean of each of the three channels, in pixel values from 0 to 255. Without it, or
            without ``std``, both are taken from the training set before the training begins
            and are saved with the weights.
        std: standard deviation of each channel; see ``mean``.
        crop_padding: black pixels added on each side before an image of the old size is cut
            out anywhere; 0 for no crop.
        flip: mirror half of the images, left to right.

    Raises:
        ADSError: if an argument has no meaning.
    """

    def __init__(
        self,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        crop_padding: int = 4,
        flip: bool = True,
    ) -> None:
        super().__init__(non_blocking=True)
        if isinstance(crop_padding, bool) or not isinstance(crop_padding, int) or crop_padding < 0:
            raise ADSError(
                f"BatchAugmentPreprocessor.crop_padding is {crop_padding!r}; use a whole number "
                "of pixels, 0 for no crop."
            )
        for name, value in (("mean", mean), ("std", std)):
            if value is not None and len(value) != 3:
                raise ADSError(f"BatchAugmentPreprocessor.{name} is {value!r}; give three numbers.")
        self.needs_statistics = mean is None or std is None
        self.crop_padding, self.flip = crop_padding, flip
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("std", torch.ones(3))
        if mean is not None and std is not None:
            self.set_statistics(mean, std)

    def set_statistics(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Normalise by these from now on.

        Raises:
            ADSError: if a deviation is not positive.
        """
        if min(std) <= 0:
            raise ADSError(
                f"A channel of the images has the standard deviation {min(std)}; give "
                "`mean` and `std` of the model's data_preprocessor."
            )
        self.mean.copy_(torch.as_tensor(mean))
        self.std.copy_(torch.as_tensor(std))

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Prepare a batch.

        Args:
            data: ``inputs``, images of type uint8 and shape (N, 3, H, W), and ``data_samples``.
            training: whether to augment.

        Returns:
            The same keys on the model's device, ``inputs`` as float32 of the same shape.
        """
        data = self.cast_data(data)
        images = data["inputs"]
        if training and (self.crop_padding or self.flip):
            images = self._augment(images)
        mean, std = (v.view(3, 1, 1) for v in (self.mean, self.std))
        # one pixel after the other in memory, as CPUs convolve faster
        inputs = ((images.float() - mean) / std).contiguous(memory_format=torch.channels_last)
        return dict(data, inputs=inputs)

    def _augment(self, images: Tensor) -> Tensor:
        n, _, height, width = images.shape
        pad = self.crop_padding
        padded = F.pad(images, (pad,) * 4).permute(0, 2, 3, 1)
        top, left = torch.randint(0, 2 * pad + 1, (2, n, 1))
        columns = torch.arange(width).repeat(n, 1)
        if self.flip:
            columns = torch.where(torch.rand(n, 1) < 0.5, columns.flip(1), columns)
        rows = (torch.arange(height) + top).to(images.device)
        columns = (columns + left).to(images.device)
        each = torch.arange(n, device=images.device)[:, None, None]
        return padded[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
