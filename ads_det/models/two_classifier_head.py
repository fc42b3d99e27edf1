"""What any dense head of mmdet needs to carry two classifiers."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.structures import SampleList
from torch import Tensor, nn

from ads_det.models.dropout import ConsistentDropout

Levels = list[Tensor]  # of each (N, anchors * C', H_l, W_l)


class TwoClassifierHead:
    """Mixin that doubles one layer of a dense head: the classifiers f1 and f2.

    The layer keeps its name and is f1, so that a checkpoint of the plain head loads into it; f2 is
    beside it under the same name with a 2 at its end. Whatever the head computes before and beside
    the layer is shared. The classes are named by ``use_sigmoid_cls``: C independent ones, or, with
    softmax, a last one for the background.

    Args:
        num_classifiers: 2, or 1 for the plain detector that baselines train.
        dropout: share of the channels dropped before the classifiers, in [0, 1).
        **kwargs: arguments of the head.

    Raises:
        ValueError: if an argument has no meaning.
    """

    classification_layer: str  # name of the layer to double

    def __init__(
        self, *args: Any, num_classifiers: int = 2, dropout: float = 0.0, **kwargs: Any
    ) -> None:
        if num_classifiers not in (1, 2) or isinstance(num_classifiers, bool):
            raise ValueError(f"num_classifiers is {num_classifiers!r}; use 1 (plain) or 2 (ADS)")
        ConsistentDropout(dropout)  # refuses a share without meaning
        self.num_classifiers, self._dropout = num_classifiers, dropout
        super().__init__(*args, **kwargs)
        self.init_cfg = self._doubled_init(self.init_cfg)

    def _init_layers(self) -> None:
        super()._init_layers()  # type: ignore[misc]
        first = getattr(self, self.classification_layer)
        if self.num_classifiers == 2:
            second = copy.deepcopy(first)
            for module in second.modules():
                if isinstance(module, nn.Conv2d):
                    module.reset_parameters()  # equal classifiers would never disagree
            setattr(self, f"{self.classification_layer}2", second)
        if self._dropout:
            self.feature_dropout = ConsistentDropout(self._dropout)

    def _doubled_init(self, init_cfg: Any) -> Any:
        """What initialises the layer by name initialises its double as well."""
        if not isinstance(init_cfg, dict) or "override" not in init_cfg:
            return init_cfg
        override = init_cfg["override"]
        named = override if isinstance(override, list) else [override]
        double = [
            dict(entry, name=f"{self.classification_layer}2")
            for entry in named
            if entry["name"] == self.classification_layer and self.num_classifiers == 2
        ]
        return dict(init_cfg, override=[*named, *double])

    def classifiers(self) -> list[nn.Module]:
        """f1 and, with two classifiers, f2."""
        names = (self.classification_layer, f"{self.classification_layer}2")
        return [getattr(self, name) for name in names[: self.num_classifiers]]

    # -- forward ----------------------------------------------------------------------------

    def forward(self, x: tuple[Tensor, ...]) -> tuple[list[Levels], ...]:
        """As the head, but with the scores of each classifier.

        Args:
            x: features of L levels, each (N, channels, H_l, W_l).

        Returns:
            A list over classifiers of lists over levels, each (N, anchors * C', H_l, W_l) with C'
            classes, and whatever else the head gives (lists over levels).
        """
        with self._both_classifiers():
            scores, *rest = super().forward(x)  # type: ignore[misc]
        split = [level.chunk(self.num_classifiers, dim=1) for level in scores]
        return [[level[k] for level in split] for k in range(self.num_classifiers)], *rest

    @contextmanager
    def _both_classifiers(self) -> Iterator[None]:
        """Inside the block the layer gives the scores of f1 and f2 side by side."""
        first, *others = (_layers(c) for c in self.classifiers())
        handles = [
            layer.register_forward_hook(functools.partial(_append, double))
            for second in others
            for layer, double in zip(first, second, strict=True)
        ]
        if self._dropout:
            handles += [layer.register_forward_pre_hook(self._drop) for layer in first]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _drop(self, layer: nn.Module, args: tuple[Tensor]) -> Tensor:
        return self.feature_dropout(args[0])

    def scores(self, x: tuple[Tensor, ...]) -> list[Levels]:
        """The scores alone."""
        return self(x)[0]

    def probabilities(self, x: tuple[Tensor, ...]) -> list[Tensor]:
        """Of each classifier (N, A, C') in float32."""
        return [self._activate(self._flatten(levels).float()) for levels in self.scores(x)]

    def heat_maps(self, x: tuple[Tensor, ...]) -> list[Tensor]:
        """Where each classifier sees objects: the largest probability of any object class over
        the anchors of a cell and over all levels, (N, H, W) of the finest level."""
        maps = []
        for levels in self.scores(x):
            size, merged = levels[0].shape[-2:], None
            for scores in levels:
                n, _, h, w = scores.shape
                y = self._activate(self._flatten([scores]).float())[..., : self.num_classes]
                cells = y.amax(dim=-1).view(n, 1, h, w, -1).amax(dim=-1)
                cells = F.interpolate(cells, size, mode="bilinear")[:, 0]
                merged = cells if merged is None else torch.maximum(merged, cells)
            maps.append(merged)
        return maps

    def _flatten(self, levels: Levels) -> Tensor:
        """List over levels of (N, anchors * C', H, W) to (N, A, C')."""
        n = len(levels[0])
        return torch.cat(
            [s.permute(0, 2, 3, 1).reshape(n, -1, self.cls_out_channels) for s in levels], dim=1
        )

    def _activate(self, scores: Tensor) -> Tensor:
        return scores.sigmoid() if self.use_sigmoid_cls else scores.softmax(dim=-1)

    # -- losses -----------------------------------------------------------------------------

    def loss_by_feat(self, scores: list[Levels], *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Eq. 1: the head's own classification loss of each classifier on shared targets, and its
        other losses once.

        Returns:
            ``loss_cls1``, ``loss_cls2`` (with two classifiers) and the head's others.
        """
        with self._targets_once():
            each = [super(TwoClassifierHead, self).loss_by_feat(s, *args, **kwargs) for s in scores]  # type: ignore[misc]
        losses = {f"loss_cls{k}": one.pop("loss_cls") for k, one in enumerate(each, start=1)}
        return losses | each[0]

    @contextmanager
    def _targets_once(self) -> Iterator[None]:
        """Inside the block ``get_targets`` is computed at its first call and then remembered."""
        compute, found = self.get_targets, []

        def get_targets(*args: Any, **kwargs: Any) -> Any:
            if not found:
                found.append(compute(*args, **kwargs))
            return found[0]

        self.get_targets = get_targets
        try:
            yield
        finally:
            del self.get_targets

    def classification_loss(
        self, x: tuple[Tensor, ...], batch_data_samples: SampleList
    ) -> dict[str, Any]:
        """Eq. 1 alone: ``loss_cls1`` and ``loss_cls2`` on labelled features."""
        losses = self.loss(x, batch_data_samples)
        return {name: value for name, value in losses.items() if name.startswith("loss_cls")}

    # -- prediction -------------------------------------------------------------------------

    def predict(
        self, x: tuple[Tensor, ...], batch_data_samples: SampleList, rescale: bool = False
    ) -> list:
        """Boxes after NMS from the mean of the two probabilities."""
        return self.predict_each(x, batch_data_samples, rescale, per_classifier=False)["mean"]

    def predict_each(
        self,
        x: tuple[Tensor, ...],
        batch_data_samples: SampleList,
        rescale: bool = False,
        per_classifier: bool = True,
    ) -> dict[str, list]:
        """Boxes after NMS: ``'mean'`` and, if asked, ``'f1'`` and ``'f2'`` of each image."""
        scores, *rest = self(x)
        return self.predict_from(scores, rest, batch_data_samples, rescale, per_classifier)

    def predict_from(
        self,
        scores: list[Levels],
        rest: list[Levels],
        batch_data_samples: SampleList,
        rescale: bool = False,
        per_classifier: bool = True,
    ) -> dict[str, list]:
        """:meth:`predict_each` from what one or several heads gave.

        Args:
            scores: scores of each of K classifiers, a list over levels.
            rest: what the head gives beside them, such as box deltas.
            batch_data_samples: data samples of the images.
            rescale: whether boxes are in pixels of the original image.
            per_classifier: whether each classifier predicts as well.
        """
        metas = [sample.metainfo for sample in batch_data_samples]
        variants = {"mean": self._joint_scores(scores)}
        if per_classifier:
            variants |= {f"f{i}": levels for i, levels in enumerate(scores, start=1)}
        return {
            name: self.predict_by_feat(levels, *rest, batch_img_metas=metas, rescale=rescale)
            for name, levels in variants.items()
        }

    def _joint_scores(self, scores: list[Levels]) -> Levels:
        """Scores whose activation is the mean of the classifiers' probabilities."""
        if len(scores) == 1:
            return scores[0]
        return [self._joint_level(level) for level in zip(*scores, strict=True)]

    def _joint_level(self, members: Sequence[Tensor]) -> Tensor:
        if self.use_sigmoid_cls:
            each = [scores.sigmoid() for scores in members]
            return torch.logit(sum(each[1:], each[0]) / len(each), eps=1e-7)
        n, _, h, w = members[0].shape
        logs = [F.log_softmax(s.view(n, -1, self.cls_out_channels, h, w), dim=2) for s in members]
        joint = functools.reduce(torch.logaddexp, logs)  # softmax forgets the factor 1 / K
        return joint.view(n, -1, h, w)


def _layers(classifier: nn.Module) -> list[nn.Module]:
    """The layers of a classifier, one a level or one for all."""
    return list(classifier) if isinstance(classifier, nn.ModuleList) else [classifier]


def _append(double: nn.Module, layer: nn.Module, args: tuple[Tensor], output: Tensor) -> Tensor:
    return torch.cat([output, double(*args)], dim=1)
