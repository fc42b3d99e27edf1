"""The module of LL4AL that predicts an image's loss from inner maps of its model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ads_det.core.learned_loss import pairwise_hinge
from ads_det.errors import ADSError
from ads_det.models.base import Extension, TwoClassifierModel

PREDICTED_LOSS = "predicted_loss"
_PROBE = 320  # pixels: SSD's last map of a smaller image would vanish


class LossPredictor(Extension):
    """Loss prediction module (Yoo and Kweon, CVPR 2019, Sec. 3.2).

    Each map is averaged over its pixels and goes through a linear layer and a ReLU of its own;
    side by side they go through one more linear layer. On SSD300's six maps these are 361,985
    parameters.

    Args:
        model: whose maps it sees; not kept.
        taps: names of modules that give a map (N, D, H, W) or several; all are taken.
        width: outputs of the layer of each map.
        weight: Weight of the ranking loss beside the task loss.
        margin: see :func:`~ads_det.core.learned_loss.pairwise_hinge`.
        target: ``'mean'``: an image's loss divided by its positive anchors; ``'sum'``: not
            divided, as the public detection code does it, so that it counts objects too.

    Attributes:
        detached: whether its gradient ends at the maps.

    Raises:
        ADSError: if a tap is unknown or gives no map.
    """

    provides = frozenset({PREDICTED_LOSS})

    def __init__(
        self,
        model: TwoClassifierModel,
        taps: Sequence[str],
        width: int = 128,
        weight: float = 1.0,
        margin: float = 1.0,
        target: str = "mean",
    ) -> None:
        super().__init__()
        self.taps = tuple(taps)
        self.weight, self.margin, self.target = weight, margin, target
        self.detached = False
        self._maps: dict[str, list[Tensor]] = {}
        self.layers = nn.ModuleList(nn.Linear(d, width) for d in _channels(self, model))
        self.last = nn.Linear(width * len(self.layers), 1)

    @contextmanager
    def watching(self, model: TwoClassifierModel) -> Iterator[None]:
        """Keep the maps of what runs inside the block."""
        self._maps = {}
        with ExitStack() as stack:
            for name in self.taps:
                handle = _module(model, name).register_forward_hook(self._keep(name))
                stack.callback(handle.remove)
            yield

    def _keep(self, name: str) -> Any:
        def keep(module: nn.Module, args: Any, output: Any) -> None:
            maps = list(output) if isinstance(output, (tuple, list)) else [output]
            self._maps[name] = [*self._maps.get(name, ()), *maps]

        return keep

    def losses(self, model: TwoClassifierModel, feats: Any, data_samples: Any) -> dict[str, Tensor]:
        """``loss_learned``: an odd batch leaves its middle image out, which has no partner."""
        predicted = self._predict()
        target = model.image_losses(feats, data_samples, self.target)
        half = len(predicted) // 2
        if not half:  # no pair; every parameter still takes part, as several processes want it
            return dict(loss_learned=0 * predicted.sum())
        paired = [torch.cat([x[:half], x[-half:]]) for x in (predicted, target.to(predicted))]
        return dict(loss_learned=self.weight * pairwise_hinge(*paired, self.margin))

    def extras(self, model: TwoClassifierModel, feats: Any) -> dict[str, Tensor]:
        """``predicted_loss`` of each image, (N,)."""
        return {PREDICTED_LOSS: self._predict()}

    def _predict(self) -> Tensor:
        maps = [x for name in self.taps for x in self._maps[name]]
        self._maps = {}
        means = [x.mean(dim=(2, 3)) for x in maps]
        if self.detached:
            means = [x.detach() for x in means]
        inner = [layer(x).relu() for layer, x in zip(self.layers, means, strict=True)]
        return self.last(torch.cat(inner, dim=1))[:, 0].float()


def default_taps(model: nn.Module) -> tuple[str, ...]:
    """Names of the maps that LL4AL reads: the ends of a classifier's stages; of a detector the
    maps of its backbone and, in SSD, of the layers after it. SSD's conv4_3 is so read before the
    neck normalises it."""
    own = getattr(model.backbone, "stage_ends", None)
    backbone = ("backbone",) if own is None else tuple(f"backbone.{name}" for name in own)
    extra = getattr(getattr(model, "neck", None), "extra_layers", ())
    return (*backbone, *(f"neck.extra_layers.{i}" for i in range(len(extra))))


def _module(model: Any, name: str) -> nn.Module:
    try:
        return model.get_submodule(name)  # type: ignore[no-any-return]
    except AttributeError as error:
        near = [n for n, _ in model.named_modules() if n.count(".") <= 1 and n]
        raise ADSError(
            f"The tap {name!r} is no module of {type(model).__name__}; use names such as "
            f"{', '.join(near[:6])}."
        ) from error


class _Extractor(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Any:
        return self.model.extract_feat(inputs)


def _channels(predictor: LossPredictor, model: Any) -> list[int]:
    """Channels of each map, from a pass that computes shapes only."""
    extractor = _Extractor(model)
    tensors = [*extractor.named_parameters(), *extractor.named_buffers()]
    shapes = {name: torch.empty_like(x, device="meta") for name, x in tensors}
    modes = {module: module.training for module in extractor.modules()}
    extractor.eval()
    try:
        with predictor.watching(model), torch.no_grad():
            functional_call(extractor, shapes, torch.empty(1, 3, _PROBE, _PROBE, device="meta"))
    finally:
        for module, mode in modes.items():
            module.training = mode
    channels = []
    for name in predictor.taps:
        maps = predictor._maps.get(name, [])
        if not maps or any(not isinstance(x, Tensor) or x.dim() != 4 for x in maps):
            raise ADSError(
                f"The tap {name!r} of {type(model).__name__} gives no map (N, D, H, W) when "
                "features are computed; name a layer of the backbone or the neck."
            )
        channels += [x.shape[1] for x in maps]
    predictor._maps = {}
    return channels
