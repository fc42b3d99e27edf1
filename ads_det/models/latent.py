"""Networks of VAAL and SRAAL: a variational auto-encoder and what looks at its latent space."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMALLEST = 8  # pixels


def _widths(size: int, width: int) -> list[int]:
    """Channels of the encoder's convolutions; the last has 8 times ``width``, and each one before
    it half as many."""
    halvings = size.bit_length() - 2  # down to 2 x 2
    return [max(1, 8 * width >> (halvings - 1 - i)) for i in range(halvings)]


class Encoder(nn.Module):
    """Images to the mean and the logarithm of the variance of their latent distribution.

    4x4 convolutions of stride 2 with BatchNorm and ReLU, down to 2 x 2. Images of 32 px with the
    default width give the published network: 128, 256, 512 and 1,024 channels. Each doubling of
    the size puts one convolution of half the width in front.

    Args:
        size: side of the square images that it works on, a power of two; others are resized.
        z_dim: dimensions of the latent space, Z.
        width: an eighth of the channels of the last convolution.
    """

    def __init__(self, size: int, z_dim: int, width: int) -> None:
        super().__init__()
        self.size = size
        # of the images as the model gets them, so that all data have one scale here
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("std", torch.ones(3))
        channels, layers = 3, []
        for wide in _widths(size, width):
            layers += [nn.Conv2d(channels, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide)]
            layers.append(nn.ReLU(inplace=True))
            channels = wide
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.mu, self.logvar = nn.Linear(4 * channels, z_dim), nn.Linear(4 * channels, z_dim)
        _init_kaiming(self)

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Mean and deviation (3,) of the channels of the images that will come."""
        self.mean.copy_(mean)
        self.std.copy_(std.clamp(min=1e-6))

    def prepare(self, inputs: Tensor) -> Tensor:
        """Images (N, 3, H, W) to (N, 3, size, size) of mean 0 and deviation 0.5, about the
        scale of pixels from -1 to 1."""
        x = inputs.float()
        if x.shape[2:] != (self.size, self.size):
            shape = (self.size, self.size)
            x = F.interpolate(x, shape, mode="bilinear", align_corners=False, antialias=True)
        return (x - self.mean.view(3, 1, 1)) / (2 * self.std.view(3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Prepared images to mu and logvar, each (N, Z)."""
        features = self.layers(images)
        return self.mu(features), self.logvar(features)


class ImageDecoder(nn.Module):
    """Latent vectors (N, Z) to images (N, 3, size, size): a mirrored encoder that begins at
    4 x 4 and ends with a 1x1 convolution."""

    def __init__(self, size: int, z_dim: int, width: int) -> None:
        super().__init__()
        widths = _widths(size, width)[::-1]
        self.first = nn.Linear(z_dim, 16 * widths[0])
        layers: list[nn.Module] = [nn.Unflatten(1, (widths[0], 4, 4))]
        for before, after in itertools.pairwise(widths):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
            layers += [nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 3, 1))
        _init_kaiming(self)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(self.first(z))


class TargetDecoder(nn.Sequential):
    """Latent vectors (N, Z) to class logits (N, C), SRAAL's second decoder: 16,384, 120 and 84
    units with the default width."""

    def __init__(self, z_dim: int, num_classes: int, width: int) -> None:
        first = nn.Linear(z_dim, 128 * width)
        hidden = [nn.ReLU(), nn.Linear(128 * width, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()]
        super().__init__(first, *hidden, nn.Linear(84, num_classes))
        _init_kaiming(self)


class Discriminator(nn.Sequential):
    """Latent vectors (N, Z) to logits (N,): positive for labelled images."""

    def __init__(self, z_dim: int) -> None:
        hidden = [nn.Linear(z_dim, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU()]
        super().__init__(*hidden, nn.Linear(512, 1), nn.Flatten(0))
        _init_kaiming(self)


def reparameterise(mu: Tensor, logvar: Tensor) -> Tensor:
    """One draw from N(mu, exp(logvar)), through which gradients flow to both."""
    return mu + (0.5 * logvar).exp() * torch.randn_like(mu)


def _init_kaiming(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
