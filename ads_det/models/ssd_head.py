"""SSD's head with two adversarial classifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.models.dense_heads import SSDHead
from mmdet.models.losses import smooth_l1_loss
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures import SampleList
from mmengine.model import bias_init_with_prob
from torch import Tensor, nn

from ads_det.core.diversity import DIVERSITIES, bootstrap_weights, separate_samples
from ads_det.core.losses import binary_cross_entropy
from ads_det.errors import ADSError
from ads_det.models.losses import hard_negative_loss
from ads_det.models.side_by_side import side_by_side
from ads_det.models.ssd_targets import batch_targets, can_batch
from ads_det.models.two_classifier_head import Levels, TwoClassifierHead
from ads_det.registry import MODELS

ACTIVATIONS = ("sigmoid", "softmax")


@MODELS.register_module()
class ADSSSDHead(TwoClassifierHead, SSDHead):
    """SSD head whose classification convolutions are doubled; the box branch is shared.

    f1 is ``cls_convs`` (so a plain mmdet SSD checkpoint loads into it) and f2 is
    ``cls_convs2``: a 3x3 convolution with stride 1 and padding 1 a level each (paper,
    Sec. 4.3). Both are trained on the same targets, which are computed once.

    Args:
        activation: ``'sigmoid'``: C independent classes and the BCE of Eq. 1;
            ``'softmax'``: SSD's own cross-entropy over C classes and background. Both with
            SSD's 3:1 hard negatives.
        num_classifiers: 2, or 1 for the plain detector that baselines train.
        dropout: see :class:`TwoClassifierHead`.
        diversity: How the two classifiers' labelled samples differ, so that their disagreement
            says what the labels leave open. ``'none'``: both learn from the same (the paper);
            ``'bootstrap'``: each weighs the images by
            :func:`~ads_det.core.diversity.bootstrap_weights`; ``'negatives'``: each anchor without
            object is dealt out to one of them, anew in each batch.
        prior: probability of each class that sigmoid classifiers start from, in (0, 1): their bias
            is ``-log((1 - prior) / prior)``. None starts at a half, as biases of 0 do.
        **kwargs: as in mmdet's SSDHead.

    Raises:
        ValueError: if an argument has no meaning.
    """

    classification_layer = "cls_convs"
    # SSDHead skips the parent's constructor and so never sets what prediction reads
    loss_cls = None

    def __init__(
        self,
        activation: str = "sigmoid",
        num_classifiers: int = 2,
        dropout: float = 0.0,
        diversity: str = "none",
        prior: float | None = None,
        **kwargs: Any,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is {activation!r}; use one of {', '.join(ACTIVATIONS)}")
        if diversity not in DIVERSITIES:
            raise ValueError(f"diversity is {diversity!r}; use one of {', '.join(DIVERSITIES)}")
        if prior is not None and (type(prior) is not float or not 0 < prior < 1):
            raise ValueError(f"prior is {prior!r}; use a probability such as 0.01, or None")
        if prior is not None and activation == "softmax":
            raise ValueError("prior is for sigmoid classifiers; leave it out with softmax")
        self.activation, self.diversity, self.prior = activation, diversity, prior
        super().__init__(num_classifiers=num_classifiers, dropout=dropout, **kwargs)
        self.use_sigmoid_cls = activation == "sigmoid"

    def _init_layers(self) -> None:
        if self.activation == "sigmoid":
            self.cls_out_channels = self.num_classes  # no background channel
        super()._init_layers()

    def init_weights(self) -> None:
        """As SSD's; then the bias of the prior."""
        super().init_weights()
        if self.prior is None:
            return
        for classifier in self.classifiers():
            for level in classifier:
                nn.init.constant_(level[-1].bias, bias_init_with_prob(self.prior))

    # -- forward ----------------------------------------------------------------------------

    def forward(self, x: tuple[Tensor, ...]) -> tuple[list[Levels], Levels]:
        """Scores of each classifier and box deltas, see :class:`TwoClassifierHead`."""
        if self._dropout:  # the boxes' convolutions see features that nothing was dropped from
            return self.scores(x), side_by_side([self.reg_convs], x)[0]
        *scores, deltas = side_by_side([*self.classifiers(), self.reg_convs], x)
        return scores, deltas

    def scores(self, x: tuple[Tensor, ...]) -> list[Levels]:
        """The scores alone, without touching the box branch."""
        if self._dropout:
            x = tuple(self.feature_dropout(feat) for feat in x)
        return side_by_side(self.classifiers(), x)

    # -- losses -----------------------------------------------------------------------------

    def loss_by_feat(
        self,
        cls_scores: list[list[Tensor]],
        bbox_preds: list[Tensor],
        batch_gt_instances: list,
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: list | None = None,
    ) -> dict[str, Tensor]:
        """Eq. 1 of both classifiers on shared targets, and SSD's smooth L1 box loss.

        Returns:
            ``loss_cls1``, ``loss_cls2`` (with two classifiers) and ``loss_bbox``, each
            normalised by the number of positive anchors in the batch.
        """
        targets = self._targets(
            cls_scores[0], batch_gt_instances, batch_img_metas, batch_gt_instances_ignore
        )
        labels, label_weights, bbox_targets, bbox_weights, avg_factor, anchors = targets
        losses = self._classification_losses(
            cls_scores, labels, label_weights, avg_factor, batch_img_metas
        )
        n = len(labels)
        deltas = torch.cat([b.permute(0, 2, 3, 1).reshape(n, -1, 4) for b in bbox_preds], dim=1)
        if self.reg_decoded_bbox:
            deltas = self.bbox_coder.decode(anchors.reshape(-1, 4), deltas.reshape(-1, 4))
            deltas = deltas.reshape(n, -1, 4)
        losses["loss_bbox"] = smooth_l1_loss(
            deltas,
            bbox_targets,
            bbox_weights,
            beta=self.train_cfg["smoothl1_beta"],
            avg_factor=avg_factor,
        )
        return losses

    def classification_loss(
        self, x: tuple[Tensor, ...], batch_data_samples: SampleList
    ) -> dict[str, Tensor]:
        """Eq. 1 alone: ``loss_cls1`` and ``loss_cls2`` on labelled features."""
        scores = self.scores(x)
        gt, gt_ignore, metas = unpack_gt_instances(batch_data_samples)
        labels, weights, _, _, avg_factor, _ = self._targets(scores[0], gt, metas, gt_ignore)
        return self._classification_losses(scores, labels, weights, avg_factor, metas)

    def _targets(
        self, levels: list[Tensor], gt: list, metas: list[dict], gt_ignore: list | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | int, Tensor]:
        """Labels (N, A), their weights, box targets (N, A, 4), their weights, the number of
        positives, anchors (N, A, 4); where possible for all images at once."""
        sizes = [level.shape[-2:] for level in levels]
        device = levels[0].device
        if can_batch(self, sizes, metas):
            anchors, valid = torch.cat(self.prior_generator.grid_priors(sizes, device=device)), None
            stacked = anchors.expand(len(gt), -1, -1)
        else:
            anchors, valid = self.get_anchors(sizes, metas, device=device)
            stacked = torch.stack([torch.cat(image) for image in anchors])
        *lists, avg_factor = self.get_targets(
            anchors, valid, gt, metas, batch_gt_instances_ignore=gt_ignore, unmap_outputs=True
        )
        labels, label_weights, bbox_targets, bbox_weights = (torch.cat(t, dim=1) for t in lists)
        return labels, label_weights, bbox_targets, bbox_weights, avg_factor, stacked

    def get_targets(self, anchors: Any, valid: Any, gt: list, *args: Any, **kw: Any) -> tuple:
        """As in mmdet; without ``valid`` for all images at once on anchors (A, 4) that all of them
        have, and then as a single level."""
        if valid is not None:
            return super().get_targets(anchors, valid, gt, *args, **kw)
        *targets, positives = batch_targets(self, anchors, gt)
        return *([one] for one in targets), positives

    def _classification_losses(
        self,
        cls_scores: list[list[Tensor]],
        labels: Tensor,
        label_weights: Tensor,
        avg_factor: Tensor | int,
        metas: list[dict],
    ) -> dict[str, Tensor]:
        per_anchor: Callable[[Tensor, Tensor], Tensor] = (
            binary_cross_entropy if self.activation == "sigmoid" else self._cross_entropy
        )
        positive = labels < self.num_classes
        samples = self._samples(positive, metas)
        wanted = self._one_hot(labels) if self.activation == "sigmoid" else labels
        losses = {}
        for i, scores in enumerate(cls_scores):
            loss = per_anchor(self._flatten(scores), wanted) * label_weights
            if samples is not None:
                loss = loss * samples[i]
            mined = hard_negative_loss(loss, positive, self.train_cfg["neg_pos_ratio"])
            losses[f"loss_cls{i + 1}"] = mined / avg_factor
        return losses

    def _samples(self, positive: Tensor, metas: list[dict]) -> list[Tensor] | None:
        """Weights of the anchors for each classifier, each to be broadcast to (N, A); None where
        all count alike."""
        members = range(self.num_classifiers)
        if self.diversity == "bootstrap":
            missing = [meta for meta in metas if "img_id" not in meta]
            if missing:
                raise ADSError(
                    "diversity='bootstrap' weighs images by their name, but the data samples have "
                    "no img_id; add it to meta_keys of PackDetInputs in the training pipeline."
                )
            names = [meta["img_id"] for meta in metas]
            weights = [bootstrap_weights(names, member)[:, None] for member in members]
            return [w.to(positive.device) for w in weights]
        if self.diversity == "negatives":
            dealt = separate_samples(tuple(positive.shape), len(members)).to(positive.device)
            return [positive | own for own in dealt]
        return None

    def _one_hot(self, labels: Tensor) -> Tensor:
        """Labels (N, A) to (N, A, C); background is all zeros."""
        classes = torch.arange(self.num_classes, device=labels.device)
        return (labels[..., None] == classes).float()

    @staticmethod
    def _cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(scores.transpose(1, 2), labels, reduction="none")

    # -- checkpoints ------------------------------------------------------------------------

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        """Accept a plain SSD's softmax classifier where this head has sigmoid classifiers.

        ``p_c / (p_c + p_background) = sigmoid(s_c - s_background)``, and scores are linear in
        the weights, so subtracting the background channel's converts them exactly.
        """
        if self.activation == "sigmoid":
            for level, anchors in enumerate(self.num_base_priors):
                last = len(self.cls_convs[level]) - 1
                for name in ("weight", "bias"):
                    key = f"{prefix}cls_convs.{level}.{last}.{name}"
                    value = state_dict.get(key)
                    if value is not None and len(value) == anchors * (self.num_classes + 1):
                        value = value.view(anchors, self.num_classes + 1, *value.shape[1:])
                        state_dict[key] = (value[:, :-1] - value[:, -1:]).flatten(0, 1)
        super()._load_from_state_dict(state_dict, prefix, *args)
