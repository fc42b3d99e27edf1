"""Feature extractors for images of about 32 pixels."""

from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from ads_det.errors import ADSError
from ads_det.registry import MODELS

RESNET_STAGES = {8: (1, 1, 1), 10: (1, 1, 1, 1), 14: (2, 2, 2), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
# channels of each convolution as multiples of the width; 0 is a 2x2 max-pool
VGG_LAYERS = {
    11: (1, 0, 2, 0, 4, 4, 0, 8, 8, 0, 8, 8, 0),
    13: (1, 1, 0, 2, 2, 0, 4, 4, 0, 8, 8, 0, 8, 8, 0),
    16: (1, 1, 0, 2, 2, 0, 4, 4, 4, 0, 8, 8, 8, 0, 8, 8, 8, 0),
}
INIT = (
    dict(type="Kaiming", layer="Conv2d"),
    dict(type="Constant", val=1, layer="BatchNorm2d"),
)


class Pointwise(nn.Conv2d):
    """A 1x1 convolution that is safe on every CPU.

    With fewer than 8 input channels, a stride and channels_last, oneDNN's AVX2 kernel for the
    gradient of the weights writes past the end of a buffer (torch 2.14.1: the process dies of a
    corrupt heap somewhere later). Such a convolution takes its pixels first.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.in_channels >= 8:
            return super().forward(x)
        down, right = self.stride
        return F.conv2d(x[:, :, ::down, ::right], self.weight, self.bias)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm beside a shortcut (He et al., CVPR 2016)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                Pointwise(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


@MODELS.register_module()
class CIFARResNet(BaseModule):
    """ResNet with the stem for small images: one 3x3 convolution, stride 1, no max-pool.

    Depth 18 and width 64 are the ResNet-18 that the active-learning papers use on CIFAR
    (11.2 million parameters). 8 and 14 have three stages instead of four.

    Args:
        depth: 8, 10, 14, 18 or 34.
        width: channels of the first stage; each further stage doubles them.
        init_cfg: Weights to begin with, as in mmengine.

    Attributes:
        out_channels: D of the features.
        stage_ends: names of the modules whose maps end the stages.

    Raises:
        ADSError: if an argument has no meaning.
    """

    def __init__(
        self, depth: int = 18, width: int = 64, init_cfg: dict | list | None = INIT
    ) -> None:
        super().__init__(_as_list(init_cfg))
        _check("CIFARResNet", depth, RESNET_STAGES, width)
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        blocks: list[nn.Module] = []
        ends = []
        channels = width
        for stage, number in enumerate(RESNET_STAGES[depth]):
            for block in range(number):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(BasicBlock(channels, width * 2**stage, stride))
                channels = width * 2**stage
            ends.append(f"blocks.{len(blocks) - 1}")
        self.blocks = nn.Sequential(*blocks)
        self.stage_ends = tuple(ends)
        self.out_channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) to features (N, D), averaged over the image."""
        return self.blocks(self.stem(x)).mean(dim=(2, 3))


@MODELS.register_module()
class CIFARVGG(BaseModule):
    """VGG in the form used on CIFAR: BatchNorm after each convolution, no hidden linear layers.

    Args:
        depth: 11, 13 or 16.
        width: channels of the first stage; the last has eight times as many.
        init_cfg: Weights to begin with, as in mmengine.

    Attributes:
        out_channels: D of the features.
        stage_ends: names of the modules whose maps end the stages.

    Raises:
        ADSError: if an argument has no meaning.
    """

    def __init__(
        self, depth: int = 16, width: int = 64, init_cfg: dict | list | None = INIT
    ) -> None:
        super().__init__(_as_list(init_cfg))
        _check("CIFARVGG", depth, VGG_LAYERS, width)
        layers: list[nn.Module] = []
        ends = []
        channels = 3
        for factor in VGG_LAYERS[depth]:
            if factor == 0:
                ends.append(f"layers.{len(layers)}")
                # rounding up lets images of less than 32 pixels pass all five
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
                continue
            layers += [
                nn.Conv2d(channels, width * factor, 3, 1, 1, bias=False),
                nn.BatchNorm2d(width * factor),
                nn.ReLU(inplace=True),
            ]
            channels = width * factor
        self.layers = nn.Sequential(*layers)
        self.stage_ends = tuple(ends)
        self.out_channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) to features (N, D), averaged over the image."""
        return self.layers(x).mean(dim=(2, 3))


def _as_list(init_cfg: dict | list | tuple | None) -> dict | list | None:
    return list(init_cfg) if isinstance(init_cfg, tuple) else init_cfg


def _check(name: str, depth: int, depths: dict, width: int) -> None:
    if depth not in depths:
        raise ADSError(f"{name}.depth is {depth!r}; use one of {', '.join(map(str, depths))}.")
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise ADSError(f"{name}.width is {width!r}; use a whole number of 1 or more.")
