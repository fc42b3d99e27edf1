"""What phases, methods and the scorer need of a model, whatever its task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ads_det.core.outputs import BOXES, FEATURES, INPUTS, MEMBERS, BoxOutputs, Outputs
from ads_det.errors import ADSError
from ads_det.models.dropout import fixed_masks, has_dropout

ONE_PASS = (None,)


class ScorableModel(Protocol):
    """A model that strategies can rank with."""

    @property
    def provides(self) -> frozenset[str]:
        """Names that :meth:`passes` can be asked for."""

    def passes(
        self,
        inputs: Tensor,
        data_samples: Any,
        needs: frozenset[str],
        seeds: Iterable[int | None] = ONE_PASS,
    ) -> Iterator[Outputs]:
        """One :class:`~ads_det.core.outputs.Outputs` for each seed.

        Args:
            inputs: preprocessed images, shape (N, 3, H, W).
            data_samples: their data samples, as the data preprocessor gives them.
            needs: names among ``provides``.
            seeds: the masks of dropout are a function of the seed and the same for all images;
                None is a pass without dropout. Features are computed once for all passes.

        Raises:
            ADSError: if the model does not provide what is needed.
        """


class Extension(nn.Module):
    """A module that a method adds to a model; saved with it and seen by DistributedDataParallel.

    It takes part in ``forward`` in three places, all optional.
    """

    provides: frozenset[str] = frozenset()  # names of :meth:`extras`

    def watching(self, model: TwoClassifierModel) -> AbstractContextManager[None]:
        """Held while features are computed that :meth:`losses` or :meth:`extras` then get, for an
        extension that reads maps on their way."""
        return nullcontext()

    def losses(self, model: TwoClassifierModel, feats: Any, data_samples: Any) -> dict[str, Tensor]:
        """Losses to add to those of a labelled batch; keys with ``loss`` in them are summed.

        Args:
            model: Model that the extension was added to.
            feats: features of ``model.extract_feat``.
            data_samples: data samples of the batch, with labels.
        """
        return {}

    def extras(self, model: TwoClassifierModel, feats: Any) -> dict[str, Tensor]:
        """Values of the images for strategies, by the names in ``provides``: each (N,) or
        (N, A)."""
        return {}


class TwoClassifierModel:
    """Mixin for an mmengine model whose ``extract_feat`` feeds two classifiers f1 and f2.

    It adds two modes to ``forward``, because under DistributedDataParallel only what passes
    through ``forward`` is seen by the gradient reducer:

    - ``'outputs'``: :class:`~ads_det.core.outputs.Outputs` of a batch, differentiable through
      features and classifiers: the agreement phase.
    - ``'discrepancy'``: ``(outputs, losses)`` from features computed without gradient. The
      losses are Eq. 1 on a labelled batch passed beside the unlabelled one, so that both terms
      of Eq. 8 come from one forward pass and make one update.

    A model with a single classifier (the plain baseline) has one member.
    """

    has_boxes = False

    def forward(
        self,
        inputs: Tensor,
        data_samples: Any = None,
        mode: str = "tensor",
        labeled: dict[str, Any] | None = None,
    ) -> Any:
        """Run one mode.

        Args:
            inputs: preprocessed images, shape (N, 3, H, W).
            data_samples: their data samples (labels, meta information).
            mode: ``'loss'``, ``'predict'`` or ``'tensor'`` as in mmengine, or one of those
                above.
            labeled: For ``'discrepancy'``, the preprocessed labelled batch: a dict of
                ``inputs`` and ``data_samples``.
        """
        if mode == "loss":
            feats = self._watched_features(inputs, self.extensions())
            losses = self.label_losses(feats, data_samples)
            for module in self.extensions():
                losses |= module.losses(self, feats, data_samples)
            return losses
        if mode == "outputs":
            return Outputs(tuple(self.probabilities(self.extract_feat(inputs))))
        if mode == "discrepancy":
            assert labeled is not None
            with torch.no_grad():
                feats = self.extract_feat(inputs)
                labeled_feats = self.extract_feat(labeled["inputs"])
            losses = self.classification_loss(labeled_feats, labeled["data_samples"])
            return Outputs(tuple(self.probabilities(feats))), losses
        return super().forward(inputs, data_samples, mode)  # type: ignore[misc]

    # -- scoring ----------------------------------------------------------------------------

    @property
    def provides(self) -> frozenset[str]:
        """See :class:`ScorableModel`."""
        boxes = {BOXES} if self.has_boxes else set()
        return frozenset({MEMBERS, FEATURES, INPUTS} | boxes).union(
            *(module.provides for module in self.extensions())
        )

    def passes(
        self,
        inputs: Tensor,
        data_samples: Any,
        needs: frozenset[str],
        seeds: Iterable[int | None] = ONE_PASS,
    ) -> Iterator[Outputs]:
        """See :class:`ScorableModel`."""
        seeds = tuple(seeds)
        check_needs(self, needs, seeds)
        asked = [module for module in self.extensions() if module.provides & needs]
        feats = self._watched_features(inputs, asked) if needs - {INPUTS} else None
        extras: dict[str, Tensor] = {}
        for module in asked:
            extras |= module.extras(self, feats)
        fixed = Outputs(
            features=pooled_features(feats) if FEATURES in needs else None,
            extras=extras,
            boxes=self.box_outputs(inputs, feats, data_samples) if BOXES in needs else None,
            inputs=inputs if INPUTS in needs else None,
        )
        for seed in seeds:
            with fixed_masks(self, seed):
                members = tuple(self.probabilities(feats)) if MEMBERS in needs else ()
            yield fixed._replace(members=members)

    # -- modules of methods -----------------------------------------------------------------

    def add_extension(self, name: str, module: Extension) -> None:
        """Make a module part of the model, before its optimiser is built."""
        if not hasattr(self, "method_modules"):  # so that other models' weights have no such key
            self.method_modules = nn.ModuleDict()
        self.method_modules[name] = module

    def extensions(self) -> list[Extension]:
        """The modules that methods added."""
        return list(getattr(self, "method_modules", {}).values())

    def _watched_features(self, inputs: Tensor, modules: Iterable[Extension]) -> Any:
        with ExitStack() as stack:
            for module in modules:
                stack.enter_context(module.watching(self))
            return self.extract_feat(inputs)

    # -- what a model of one task defines ---------------------------------------------------

    @abstractmethod
    def probabilities(self, feats: Any) -> list[Tensor]:
        """Class probabilities of each classifier, float32: (N, A, C) or (N, C)."""

    @abstractmethod
    def label_losses(self, feats: Any, data_samples: Any) -> dict[str, Any]:
        """All losses of a labelled batch."""

    @abstractmethod
    def image_losses(self, feats: Any, data_samples: Any, reduction: str = "mean") -> Tensor:
        """The loss of each labelled image by itself, shape (N,), without gradient; a detector's
        divided by the image's positive anchors, or with ``'sum'`` not divided."""

    @abstractmethod
    def classification_loss(self, feats: Any, data_samples: Any) -> dict[str, Any]:
        """Eq. 1 on labelled features: a dict of losses, without any box loss."""

    @abstractmethod
    def classifiers(self) -> list[nn.Module]:
        """The modules f1 and f2; everything else is g."""

    @abstractmethod
    def confidence(self, y1: Tensor, y2: Tensor) -> Tensor:
        """Largest mean probability of any object class, detached: of each anchor (N, A), or of
        each image (N,) for a model without anchors."""

    def object_confidence(self, y1: Tensor, y2: Tensor) -> Tensor:
        """The largest :meth:`confidence` in each image, shape (N,)."""
        found = self.confidence(y1, y2)
        return found.flatten(1).amax(dim=1) if found.dim() > 1 else found

    def box_outputs(self, inputs: Tensor, feats: Any, samples: Any) -> tuple[BoxOutputs, ...]:
        """Predicted boxes with their features, of a model with ``has_boxes``."""
        raise NotImplementedError


def check_needs(
    model: ScorableModel, needs: frozenset[str], seeds: Sequence[int | None] = ONE_PASS
) -> None:
    """Refuse what a model cannot answer.

    Raises:
        ADSError: names it and what the model provides; or if passes with dropout are wanted of a
            model that has none.
    """
    if any(seed is not None for seed in seeds) and not has_dropout(model):
        raise ADSError(
            f"The strategy compares {len(seeds)} passes with dropout, but the model has no "
            "dropout, so all would be the same; set `dropout` of its head or classifier, such as "
            "0.1."
        )
    missing = sorted(needs - model.provides)
    if missing:
        raise ADSError(
            f"The strategy needs {missing[0]!r} of each image, which {type(model).__name__} does "
            f"not give (it gives {', '.join(sorted(model.provides))}); use another strategy, or "
            "the method that trains it."
        )


def pooled_features(feats: Tensor | tuple[Tensor, ...]) -> Tensor:
    """One vector an image, float32: features (N, D) as they are, or the spatial means of all
    levels (N, D_l, H_l, W_l) side by side."""
    levels = [feats] if isinstance(feats, Tensor) else feats
    means = [x.mean(dim=(2, 3)) if x.dim() == 4 else x for x in levels]
    return torch.cat(means, dim=1).float()
