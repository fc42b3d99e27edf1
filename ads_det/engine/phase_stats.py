"""What a phase says of itself: is the game played, and where?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

from ads_det.core.criterion import PhaseLoss

FOREGROUND = 0.3  # mean probability from which an anchor counts as foreground in the log


@dataclass
class PhaseStats:
    """Means over the images that one phase used."""

    loss: float = 0.0
    entropy: float = 0.0
    discrepancy: float = 0.0
    images: int = 0


@dataclass
class AnchorStats(PhaseStats):
    """The same of a model with anchors, and foreground and background apart.

    ``*_entropy`` and ``*_discrepancy`` are means over the anchors whose largest mean probability
    is at least, or below, :data:`FOREGROUND`; ``foreground_anchors`` is their share of all.
    ``*_gradient`` are norms over the parameters that the phase trains, on its first batch, of the
    gradient of the unlabelled loss of those anchors alone (of this process, before clipping).
    """

    foreground_anchors: float = 0.0
    foreground_entropy: float = 0.0
    background_entropy: float = 0.0
    foreground_discrepancy: float = 0.0
    background_discrepancy: float = 0.0
    foreground_gradient: float = 0.0
    background_gradient: float = 0.0


class Meter:
    """Sums of a phase on the device; read once at its end."""

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(4, dtype=torch.float64, device=device)
        self.parts = torch.zeros(2, 3, dtype=torch.float64, device=device)  # background first
        self.gradients: tuple[float, float] | None = None

    def add(self, phase: PhaseLoss, n: float, images: int, confidence: Tensor) -> None:
        """Add a batch.

        Args:
            phase: whose loss is a sum divided by ``n``.
            n: see there; for a loss that is a mean the number of images.
            images: Number of images in the batch.
            confidence: Confidence of each anchor (N, A), or of each image (N,).
        """
        if not images:
            return
        weights = self.sums.new_tensor([n, images, images])
        values = torch.stack([phase.loss.detach(), phase.entropy, phase.discrepancy])
        self.sums[:3] += values * weights
        self.sums[3] += images
        if confidence.dim() == 1:
            return
        for part, keep in enumerate((confidence < FOREGROUND, confidence >= FOREGROUND)):
            sums = [keep.sum(), (phase.entropies * keep).sum(), (phase.discrepancies * keep).sum()]
            self.parts[part] += torch.stack([s.double() for s in sums])

    def stats(self) -> PhaseStats:
        """Means over all processes."""
        all_reduce(self.sums)
        loss, entropy, discrepancy, images = self.sums.tolist()
        n = max(images, 1.0)
        means = loss / n, entropy / n, discrepancy / n, int(images)
        all_reduce(self.parts)
        anchors = self.parts[:, 0].sum().item()
        if not anchors:
            return PhaseStats(*means)
        (_, *back), (_, *fore) = (self.parts / self.parts[:, :1].clamp(min=1)).tolist()
        share = self.parts[1, 0].item() / anchors
        background, foreground = self.gradients or (0.0, 0.0)
        return AnchorStats(
            *means, share, fore[0], back[0], fore[1], back[1], foreground, background
        )


def gradient_norms(
    losses: Iterable[Tensor], parameters: Iterable[nn.Parameter]
) -> tuple[float, ...]:
    """Norm of the gradient of each loss; nothing is added to ``.grad`` and the graph stays.

    Args:
        losses: scalars; one without a graph has the norm 0.
        parameters: those without ``requires_grad`` are left out.
    """
    trained = [p for p in parameters if p.requires_grad]
    norms = []
    for loss in losses:
        if not loss.requires_grad:
            norms.append(0.0)
            continue
        grads = torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True)
        squares = [g.double().square().sum() for g in grads if g is not None]
        norms.append(sum(squares, torch.zeros((), dtype=torch.float64)).sqrt().item())
    return tuple(norms)
