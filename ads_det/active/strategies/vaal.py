"""Images that a discriminator takes for unlabelled (Sinha, Ebrahimi and Darrell, ICCV 2019)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ads_det.active.adversarial import LatentBatch, LatentGame
from ads_det.active.fit_stage import FitStage
from ads_det.active.strategies.base import Gathered, MeasuredStrategy
from ads_det.console import say
from ads_det.core.latent import balanced_accuracy
from ads_det.core.outputs import INPUTS, Outputs
from ads_det.engine.seeding import derive_seed
from ads_det.models.latent import SMALLEST, Discriminator, Encoder
from ads_det.registry import STRATEGIES

PRESETS = {"official": False, "kl_mean": True}  # whether the KL divergence is averaged
CHANCE = 0.02  # an accuracy no further from 0.5 is a guess
Extra = Callable[[list[str], list[str]], dict[str, Any]]


@STRATEGIES.register_module()
class VAAL(MeasuredStrategy):
    """An auto-encoder of all images and a discriminator that learns which of them are labelled
    play against each other before each selection; the least labelled-looking images are chosen.

    The trained model does not matter to it. All processes train the same, so that neither picks
    nor the file depend on their number; a training that was killed is repeated from its start.
    The defaults are the published ones for 32 px (39,062 iterations: 100 times 50,000 images).

    Args:
        preset: ``'official'`` sums the KL divergence over images and dimensions, as the published
            code does, so that it outweighs all else; ``'kl_mean'`` takes its mean.
        size: side of the images that the auto-encoder sees, a power of two; others are resized.
        z_dim: dimensions of the latent space.
        width: channels of the first of the last four convolutions; fewer are faster.
        iterations: Steps of the game.
        generator_steps: updates of the auto-encoder in each, for one of the discriminator.
        batch_size: labelled images, and as many unlabelled, of an update.
        lr: learning rate of both Adam optimisers.

    Raises:
        ValueError: if an argument has no meaning.
    """

    needs = frozenset({INPUTS})
    fits = True

    def __init__(
        self,
        preset: str = "official",
        size: int = 32,
        z_dim: int = 32,
        width: int = 128,
        iterations: int = 39_062,
        generator_steps: int = 2,
        batch_size: int = 128,
        lr: float = 5e-4,
    ) -> None:
        if preset not in PRESETS:
            raise ValueError(f"preset is {preset!r}; use one of {', '.join(PRESETS)}")
        counts = dict(size=size, z_dim=z_dim, width=width, iterations=iterations)
        counts |= dict(generator_steps=generator_steps, batch_size=batch_size)
        for name, value in counts.items():
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} is {value!r}; use a whole number of 1 or more")
        if size < SMALLEST or size & (size - 1):
            raise ValueError(f"size is {size}; use a power of two such as 32 or 256, at least 8")
        if isinstance(lr, bool) or not isinstance(lr, (int, float)) or not 0 < lr < 1:
            raise ValueError(f"lr is {lr!r}; use a number between 0 and 1")
        self.preset, self.size, self.z_dim, self.width = preset, size, z_dim, width
        self.iterations, self.generator_steps = iterations, generator_steps
        self.batch_size, self.lr = batch_size, lr

    # -- learning ---------------------------------------------------------------------------

    def fit(self, stage: FitStage) -> dict[str, Any]:
        model = stage.load_models()[0]
        device = next(model.parameters()).device
        statistics = stage.measure(self.needs, lambda: Gathered(_moments), labeled=True)
        extra, target = self._prepare(stage)
        # loading models drew random numbers or not; all processes shall draw the same
        torch.manual_seed(derive_seed(stage.seed, "game"))
        game = self._game(device, stage)
        mean, square = torch.tensor(np.mean(list(statistics.values()), axis=0)).view(2, 3)
        game.encoder.set_statistics(mean, (square - mean.square()).clamp(min=0).sqrt())
        batches = self._batches(stage, game, extra)
        game.play(batches, self.iterations, self.generator_steps)
        accuracy = self._accuracy(stage, game.eval(), target)
        state = (game.encoder.state_dict(), game.discriminator.state_dict())
        encoder, discriminator = ({k: v.cpu() for k, v in own.items()} for own in state)
        return dict(encoder=encoder, discriminator=discriminator, balanced_accuracy=accuracy)

    def _prepare(self, stage: FitStage) -> tuple[Extra, float]:
        """From the ids of labelled and unlabelled images to more arguments of a batch; and the
        mean of what the discriminator shall say of the unlabelled ones."""
        return lambda labeled, unlabeled: {}, 0.0

    def _game(self, device: torch.device, stage: FitStage, **more: Any) -> LatentGame:
        average = PRESETS[self.preset]
        sizes = (self.size, self.z_dim, self.width)
        return LatentGame(*sizes, average, self.lr, device=device, **more)

    def _batches(self, stage: FitStage, game: LatentGame, extra: Extra) -> Iterator[LatentBatch]:
        count = self.iterations * self.generator_steps
        labeled = stage.repeated(self.batch_size, count, labeled=True)
        unlabeled = stage.repeated(self.batch_size, count, labeled=False)
        for (own_ids, own), (other_ids, other) in zip(labeled, unlabeled, strict=True):
            images = (game.encoder.prepare(x) for x in (own, other))
            yield LatentBatch(*images, **extra(own_ids, other_ids))

    def _accuracy(self, stage: FitStage, game: LatentGame, target: float) -> float:
        """How well the discriminator tells the images apart that it is going to rank."""

        def logits(outputs: Outputs) -> Tensor:
            assert outputs.inputs is not None
            return game.discriminator(game.encoder(game.encoder.prepare(outputs.inputs))[0])

        labeled, unlabeled = (
            torch.tensor([*stage.measure(self.needs, lambda: Gathered(logits), kind).values()])
            for kind in (True, False)
        )
        accuracy = balanced_accuracy(labeled, unlabeled, target)
        say(f"The discriminator's balanced accuracy is {accuracy:.3f} on all images.")
        if abs(accuracy - 0.5) <= CHANCE:
            say(
                f"WARNING: {type(self).__name__}'s discriminator does not tell labelled from "
                f"unlabelled images (balanced accuracy {accuracy:.3f}), so its picks are as good "
                "as random; train it longer, or with another preset or lr "
                "(active_learning.strategy)."
            )
        return accuracy

    # -- scoring ----------------------------------------------------------------------------

    def load_fitted(self, state: dict[str, Any]) -> None:
        with torch.device("meta"):  # no random number is drawn for weights that are replaced
            encoder = Encoder(self.size, self.z_dim, self.width)
            discriminator = Discriminator(self.z_dim)
        encoder.load_state_dict(state["encoder"], assign=True)
        discriminator.load_state_dict(state["discriminator"], assign=True)
        # in train mode BatchNorm would make a score depend on the images beside it
        self._encoder, self._discriminator = encoder.eval(), discriminator.eval()

    def measure(self, outputs: Outputs) -> Tensor:
        """How surely an image is taken for unlabelled, shape (N,): the log odds of ``1 - D(mu)``,
        since D itself makes ties of what it is sure of."""
        assert outputs.inputs is not None
        encoder = self._encoder.to(outputs.inputs.device)
        discriminator = self._discriminator.to(outputs.inputs.device)
        logits = discriminator(encoder(encoder.prepare(outputs.inputs))[0])
        return -logits


def _moments(outputs: Outputs) -> Tensor:
    """Mean and mean square of each channel of each image, shape (N, 6)."""
    assert outputs.inputs is not None
    x = outputs.inputs.double()
    return torch.cat([x.mean(dim=(2, 3)), x.square().mean(dim=(2, 3))], dim=1)
