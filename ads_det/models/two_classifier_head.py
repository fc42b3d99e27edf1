"""What any dense head of mmdet needs to carry two classifiers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.structures import SampleList
from torch import Tensor, nn

from ads_det.models.doubled_layer import DoubledLayer, joint_log_probabilities, layers_of
from ads_det.models.dropout import ConsistentDropout

Levels = list[Tensor]  # of each (N, anchors * C', H_l, W_l)
ASSIGN_BY = ("mean", "f1")


class TwoClassifierHead(DoubledLayer):
    """Mixin for a dense head whose classification layer is doubled, see :class:`DoubledLayer`.

    The classes are named by ``use_sigmoid_cls``: C independent ones, or, with softmax, a last one
    for the background.

    Args:
        num_classifiers: 2, or 1 for the plain detector that baselines train.
        dropout: share of the channels dropped before the classifiers, in [0, 1).
        **kwargs: arguments of the head.

    Raises:
        ValueError: if an argument has no meaning.
    """

    # The classifier whose scores assign targets, in heads that use their own scores for that.
    assign_by = "f1"

    def __init__(
        self, *args: Any, num_classifiers: int = 2, dropout: float = 0.0, **kwargs: Any
    ) -> None:
        ConsistentDropout(dropout)  # refuses a share without meaning
        self._dropout = dropout
        super().__init__(*args, num_classifiers=num_classifiers, **kwargs)
        if dropout:
            self.feature_dropout = ConsistentDropout(dropout)

    # -- forward ----------------------------------------------------------------------------

    def forward(self, x: tuple[Tensor, ...]) -> tuple[list[Levels], ...]:
        """As the head, but with the scores of each classifier.

        Args:
            x: features of L levels, each (N, channels, H_l, W_l).

        Returns:
            A list over classifiers of lists over levels, each (N, anchors * C', H_l, W_l) with C'
            classes, and whatever else the head gives (lists over levels).
        """
        with self._classifiers_run():
            scores, *rest = super().forward(x)  # type: ignore[misc]
        split = [level.chunk(self.num_classifiers, dim=1) for level in scores]
        return [[level[k] for level in split] for k in range(self.num_classifiers)], *rest

    @contextmanager
    def _classifiers_run(self) -> Iterator[None]:
        """Inside the block both classifiers run, on features that dropout has passed."""
        with ExitStack() as stack:
            stack.enter_context(self.both_classifiers())
            if self._dropout:
                for layer in layers_of(self.classifiers()[0]):
                    stack.callback(layer.register_forward_pre_hook(self._drop).remove)
            yield

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
        head_loss = super().loss_by_feat  # type: ignore[misc]
        with self._targets_once():
            others = {}
            if self.assign_by == "mean" and len(scores) > 1:  # first, so its targets are kept
                others = head_loss(self._joint_scores(scores), *args, **kwargs)
            each = [head_loss(s, *args, **kwargs) for s in scores]
        losses = {f"loss_cls{k}": one.pop("loss_cls") for k, one in enumerate(each, start=1)}
        others.pop("loss_cls", None)
        return losses | (others or each[0])

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
        split = [scores.view(n, -1, self.cls_out_channels, h, w) for scores in members]
        return joint_log_probabilities(split, dim=2).view(n, -1, h, w)
