"""Both unlabelled terms inside the label update."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ads_det.engine.phase_stats import Meter, PhaseStats
from ads_det.engine.phases import measure_gradients, select
from ads_det.models.base import Extension, TwoClassifierModel

if TYPE_CHECKING:
    from ads_det.engine.methods.ads import ADS


class JointTerms(Extension):
    """Adds Eq. 5 and the unlabelled term of Eq. 8 to the losses of a labelled batch.

    One update then descends on labels, agreement and discrepancy at once, so that labels hold what
    the phases by themselves would break. As in the phases, agreement moves g only and discrepancy
    f1 and f2 only, whose features are detached. An unlabelled batch passes g once.

    Args:
        method: whose arguments say how.
    """

    def __init__(self, method: ADS) -> None:
        super().__init__()
        self._method = [method]  # in a list: no part of the module
        self._batches: Iterator[dict] | None = None
        self._inputs: Tensor | None = None
        self._meters: dict[str, Meter] = {}

    def start(self, batches: Iterator[dict] | None) -> None:
        """Begin an epoch with endless unlabelled batches, or with none: without the terms."""
        self._batches, self._inputs, self._meters = batches, None, {}

    def next_batch(self, model: nn.Module) -> None:
        """Fetch the unlabelled images of the next update."""
        if self._batches is not None:
            data = model.data_preprocessor(next(self._batches), training=True)
            self._inputs = self._method[0].view(data["inputs"])

    def stats(self) -> Iterator[tuple[str, PhaseStats]]:
        """Name and statistics of both terms over the epoch."""
        for name, meter in self._meters.items():
            yield name, meter.stats()

    def losses(self, model: TwoClassifierModel, feats: Any, data_samples: Any) -> dict[str, Tensor]:
        inputs, self._inputs = self._inputs, None
        if inputs is None:
            return {}
        own = model.extract_feat(inputs)  # type: ignore[attr-defined]
        with _frozen_classifiers(model):
            moving_g = model.probabilities(own)
        moving_f = model.probabilities(_detached(own))
        return {
            f"loss_{name}": self._term(model, name, members)
            for name, members in (("agreement", moving_g), ("discrepancy", moving_f))
        }

    def _term(self, model: Any, name: str, members: list[Tensor]) -> Tensor:
        method = self._method[0]
        term = getattr(method.criterion, name)
        kept = select(model, *members, method.criterion, method.threshold)
        phase = kept.loss(term)
        meter = self._meters.setdefault(name, Meter(members[0].device))
        measure_gradients(meter, kept, term, model)
        meter.add(phase, kept.scale, kept.images, kept.confidence)
        return phase.loss * method.settings[name]["loss_weight"]


def _detached(feats: Any) -> Any:
    return feats.detach() if isinstance(feats, Tensor) else tuple(f.detach() for f in feats)


@contextmanager
def _frozen_classifiers(model: TwoClassifierModel) -> Iterator[None]:
    """What is computed inside the block has no gradient to f1 and f2."""
    parameters = [p for c in model.classifiers() for p in c.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
