"""The game between an auto-encoder and a discriminator that VAAL and SRAAL train."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ads_det.console import progress_bar, say
from ads_det.core.latent import (
    balanced_accuracy,
    deception_loss,
    discriminator_loss,
    kl_divergence,
    reconstruction_loss,
)
from ads_det.errors import ADSError
from ads_det.models.latent import (
    Discriminator,
    Encoder,
    ImageDecoder,
    TargetDecoder,
    reparameterise,
)

REPORTS = 10  # lines in the log of one training


@dataclass(frozen=True)
class LatentBatch:
    """Labelled and unlabelled images of one step.

    Args:
        labeled: prepared by the encoder, shape (N, 3, size, size).
        unlabeled: likewise, shape (M, 3, size, size).
        classes: 1 for each of C classes that a labelled image shows, else 0, shape (N, C);
            None without target decoder.
        target: what the discriminator shall say of the unlabelled images, shape (M,) or one
            number for all; 1 is labelled.
    """

    labeled: Tensor
    unlabeled: Tensor
    classes: Tensor | None = None
    target: Tensor | float = 0.0


class LatentGame(nn.Module):
    """Encoder, decoders and discriminator with their two updates.

    Args:
        size, z_dim, width: see :class:`~ads_det.models.latent.Encoder`.
        average_kl: see :func:`~ads_det.core.latent.kl_divergence`.
        lr: learning rate of both Adam optimisers.
        num_classes: C of the target decoder; without it there is none (VAAL).
        several_classes: whether an image may show several classes or none, as in detection.
        device: where it trains.
    """

    def __init__(
        self,
        size: int,
        z_dim: int,
        width: int,
        average_kl: bool,
        lr: float,
        num_classes: int | None = None,
        several_classes: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self.average_kl, self.several_classes = average_kl, several_classes
        self.encoder = Encoder(size, z_dim, width)
        self.decoder = ImageDecoder(size, z_dim, width)
        self.discriminator = Discriminator(z_dim)
        self.target_decoder = (
            None if num_classes is None else TargetDecoder(z_dim, num_classes, width)
        )
        self.to(device)
        mine = [m for m in (self.encoder, self.decoder, self.target_decoder) if m is not None]
        self.generator_optimizer = torch.optim.Adam([p for m in mine for p in m.parameters()], lr)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), lr)

    def generator_losses(self, batch: LatentBatch) -> dict[str, Tensor]:
        """What encoder and decoders minimise, the sum of these (VAAL, Eq. 1 and 2; SRAAL adds
        its supervised target learner). The adversarial term reaches the encoder through mu."""
        codes = [self.encoder(images) for images in (batch.labeled, batch.unlabeled)]
        draws = [reparameterise(*code) for code in codes]
        images = (batch.labeled, batch.unlabeled)
        squared = [reconstruction_loss(self.decoder(z), x) for z, x in zip(draws, images)]
        kl = [kl_divergence(mu, logvar, self.average_kl) for mu, logvar in codes]
        deception = deception_loss(*(self.discriminator(mu) for mu, _ in codes))
        losses = dict(reconstruction=squared[0] + squared[1], kl=kl[0] + kl[1])
        losses["adversarial"] = deception
        if self.target_decoder is not None:
            assert batch.classes is not None
            logits = self.target_decoder(draws[0])
            classes = batch.classes.to(logits.device)
            losses["kl"] = losses["kl"] + kl[0]  # of the target learner's own bound
            losses["target"] = (
                F.binary_cross_entropy_with_logits(logits, classes)
                if self.several_classes
                else F.cross_entropy(logits, classes)
            )
        return losses

    def generator_step(self, batch: LatentBatch) -> dict[str, Tensor]:
        """Update encoder and decoders; the discriminator stays as it is."""
        losses = self.generator_losses(batch)
        self._update(self.generator_optimizer, sum(losses.values(), torch.zeros(())))
        return {name: loss.detach() for name, loss in losses.items()}

    def discriminator_step(self, batch: LatentBatch) -> Tensor:
        """Update the discriminator; the encoder stays as it is (its BatchNorm statistics
        excepted)."""
        with torch.no_grad():
            codes = [self.encoder(images)[0] for images in (batch.labeled, batch.unlabeled)]
        labeled, unlabeled = (self.discriminator(mu) for mu in codes)
        loss = discriminator_loss(labeled, unlabeled, batch.target)
        self._update(self.discriminator_optimizer, loss)
        return loss.detach()

    def play(self, batches: Iterable[LatentBatch], iterations: int, generator_steps: int) -> None:
        """Train: ``generator_steps`` updates of the encoder, each on a batch of its own, then one
        of the discriminator on the last of them, ``iterations`` times.

        Raises:
            ADSError: if a loss is not finite.
        """
        self.train()
        source = iter(batches)
        every = max(1, iterations // REPORTS)
        say(f"fit: {iterations} iterations")  # the first may take long
        for step in progress_bar(range(1, iterations + 1), "fit"):
            for _ in range(generator_steps):
                batch = next(source)
                losses = self.generator_step(batch)
            losses["discriminator"] = self.discriminator_step(batch)
            if step % every == 0 or step == iterations:
                values = {name: float(loss) for name, loss in losses.items()}
                accuracy = balanced_accuracy(*self.logits_of(batch), batch.target)
                self._report(step, iterations, values, accuracy)

    @torch.no_grad()
    def logits_of(self, batch: LatentBatch) -> tuple[Tensor, Tensor]:
        """What the discriminator says of labelled and unlabelled images, in eval mode."""
        self.eval()
        labeled, unlabeled = (
            self.discriminator(self.encoder(images)[0])
            for images in (batch.labeled, batch.unlabeled)
        )
        self.train()
        return labeled, unlabeled

    def _report(self, step: int, steps: int, values: dict[str, float], accuracy: float) -> None:
        if not all(value == value and abs(value) != float("inf") for value in values.values()):
            raise _not_finite(step)
        text = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        say(f"fit {step}/{steps}: {text}, balanced accuracy {accuracy:.3f}")

    @staticmethod
    def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def _not_finite(step: int) -> ADSError:
    return ADSError(
        f"The auto-encoder's loss was not finite any more at step {step}; set "
        "active_learning.strategy.preset='kl_mean', or a smaller `lr` such as 5e-6."
    )
