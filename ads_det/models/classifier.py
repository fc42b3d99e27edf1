"""An image classifier whose features feed two classifiers."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ads_det.core.losses import binary_cross_entropy, label_loss
from ads_det.errors import ADSError
from ads_det.models.base import TwoClassifierModel
from ads_det.models.dropout import ConsistentDropout
from ads_det.registry import MODELS

CLASSIFIERS = ("linear", "prototype")


class PrototypeClassifier(nn.Module):
    """The classifier of the authors' published code: cosine to prototypes.

    A bias-free 1x1 layer and a sigmoid, then the cosine to several prototypes a class; the
    largest of a class, divided by a temperature, is its logit.

    Args:
        channels: D of the features, kept by the 1x1 layer.
        num_classes: C.
        prototypes: prototypes a class.
        temperature: divides the cosine.
    """

    def __init__(
        self, channels: int, num_classes: int, prototypes: int = 3, temperature: float = 0.05
    ) -> None:
        super().__init__()
        self.layer = nn.Linear(channels, channels, bias=False)  # 1x1 on features of one pixel
        self.prototypes = nn.Parameter(torch.randn(num_classes, prototypes, channels))
        self.temperature = temperature

    def forward(self, feats: Tensor) -> Tensor:
        """Features (N, D) to logits (N, C)."""
        embedded = F.normalize(torch.sigmoid(self.layer(feats)), dim=-1)
        cosine = torch.einsum("nd,ckd->nck", embedded, F.normalize(self.prototypes, dim=-1))
        return cosine.amax(dim=-1) / self.temperature


@MODELS.register_module()
class ADSClassifier(TwoClassifierModel, BaseModel):
    """Backbone, and classifiers f1 and f2 on its features, with the modes of
    :class:`TwoClassifierModel`.

    Labelled batches carry one data element with ``labels`` (N,). ``predict`` gives one data
    element an image: its ``img_id``, the ``gt_label`` if it was given, and the class
    probabilities (C,) of the mean of the classifiers (``pred_mean``) and of each (``pred_f1``,
    ``pred_f2``).

    Args:
        backbone: config of a module from images (N, 3, H, W) to features (N, D), with D as its
            ``out_channels``.
        num_classes: C.
        num_classifiers: 2, or 1 for the plain model.
        classifier: ``'linear'`` (the paper) or ``'prototype'`` (the authors' published code,
            :class:`PrototypeClassifier`).
        dropout: share of the features dropped before the classifiers, in [0, 1).
        data_preprocessor: Config of what prepares a batch, as in mmengine.
        init_cfg: Weights to begin with, as in mmengine.

    Raises:
        ADSError: if an argument has no meaning.
    """

    def __init__(
        self,
        backbone: dict,
        num_classes: int,
        num_classifiers: int = 2,
        classifier: str = "linear",
        dropout: float = 0.0,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        if classifier not in CLASSIFIERS:
            raise ADSError(
                f"ADSClassifier.classifier is {classifier!r}; use one of {', '.join(CLASSIFIERS)}."
            )
        if num_classifiers not in (1, 2):
            raise ADSError(f"ADSClassifier.num_classifiers is {num_classifiers!r}; use 1 or 2.")
        try:
            self.dropout = ConsistentDropout(dropout)
        except ValueError as error:
            raise ADSError(f"ADSClassifier: {error}.") from error
        self.num_classes = num_classes
        self.backbone = MODELS.build(backbone)
        kind = nn.Linear if classifier == "linear" else PrototypeClassifier
        self.heads = nn.ModuleList(
            kind(self.backbone.out_channels, num_classes) for _ in range(num_classifiers)
        )

    def forward(
        self,
        inputs: Tensor,
        data_samples: Any = None,
        mode: str = "tensor",
        labeled: dict[str, Any] | None = None,
    ) -> Any:
        """Run one mode; ``'tensor'`` gives the logits of each classifier."""
        if mode == "predict":
            return self.predict(inputs, data_samples)
        if mode == "tensor":
            return self._logits(self.extract_feat(inputs))
        return super().forward(inputs, data_samples, mode, labeled)

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Images (N, 3, H, W) to features (N, D)."""
        return self.backbone(inputs)

    def predict(self, inputs: Tensor, data_samples: BaseDataElement) -> list[BaseDataElement]:
        """One data element an image, see the class."""
        return self.predict_jointly([self], inputs, data_samples)

    def predict_jointly(
        self, models: list[ADSClassifier], inputs: Tensor, data_samples: BaseDataElement
    ) -> list[BaseDataElement]:
        """As :meth:`predict`, by the mean over the classifiers of several models; ``pred_f1`` and
        so on are then those of the models in turn."""
        each = [y for model in models for y in model.probabilities(model.extract_feat(inputs))]
        fields = {f"pred_f{i}": y for i, y in enumerate(each, start=1)}
        fields["pred_mean"] = torch.stack(each).mean(dim=0)
        if "labels" in data_samples:
            fields["gt_label"] = data_samples.labels
        return [
            BaseDataElement(metainfo=dict(img_id=name), **{k: v[i] for k, v in fields.items()})
            for i, name in enumerate(data_samples.img_id)
        ]

    def probabilities(self, feats: Tensor) -> list[Tensor]:
        return [logits.sigmoid() for logits in self._logits(feats)]

    def label_losses(self, feats: Tensor, data_samples: BaseDataElement) -> dict[str, Any]:
        return self.classification_loss(feats, data_samples)

    @torch.no_grad()
    def image_losses(
        self, feats: Tensor, data_samples: BaseDataElement, reduction: str = "mean"
    ) -> Tensor:
        targets = self._targets(data_samples)
        each = [binary_cross_entropy(logits, targets) for logits in self._logits(feats)]
        return torch.stack(each).sum(dim=0)

    def classification_loss(self, feats: Tensor, data_samples: BaseDataElement) -> dict[str, Any]:
        logits = self._logits(feats)
        targets = self._targets(data_samples)
        if len(logits) == 1:
            return dict(loss_label=binary_cross_entropy(logits[0], targets).mean())
        return dict(loss_label=label_loss(*logits, targets))

    def _targets(self, data_samples: BaseDataElement) -> Tensor:
        """One-hot labels (N, C). ``F.one_hot`` would wait for a GPU to look at the largest."""
        labels = data_samples.labels[:, None]
        targets = torch.zeros(len(labels), self.num_classes, device=labels.device)
        return targets.scatter_(1, labels, 1.0)

    def classifiers(self) -> list[nn.Module]:
        return list(self.heads)

    def confidence(self, y1: Tensor, y2: Tensor) -> Tensor:
        """Ones: every image shows its class."""
        return y1.new_ones(len(y1))

    def _logits(self, feats: Tensor) -> list[Tensor]:
        # probabilities and losses in full precision, whatever the features were computed in
        feats = self.dropout(feats)
        return [head(feats).float() for head in self.heads]
