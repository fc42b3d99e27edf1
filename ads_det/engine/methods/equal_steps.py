"""The control of an honest comparison: as many updates as ADS, without its phases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from mmengine.config import Config
from mmengine.dist import all_reduce
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn

from ads_det.engine.methods.unlabeled import UnlabeledEpochs, labeled_batches
from ads_det.engine.phases import unwrap, update
from ads_det.engine.seeding import seed_everything
from ads_det.errors import ADSError
from ads_det.registry import METHODS

PASSES = 2  # of ADS over the unlabelled loader, one a phase


@dataclass
class LabelStats:
    """Mean loss and number of the updates that stood in for the phases."""

    loss: float
    updates: int


@METHODS.register_module()
class EqualSteps(UnlabeledEpochs):
    """Where ADS has an epoch of phases, as many ordinary label updates as its two phases take
    batches: twice the length of the unlabelled loader.

    They use the Runner's optimiser, learning rate and loss, on labelled batches in random order
    without end. One training then makes exactly the updates of ADS (with
    ``positive_filter='predicted'`` ADS makes none on an agreement batch without object, so the
    control has at least as many), each of which trains all parameters. Unlabelled images are
    counted, never read. The model may have one classifier or two. Arguments as in
    :class:`~ads_det.engine.methods.unlabeled.UnlabeledEpochs`.
    """

    provides = frozenset()

    def check_config(self, cfg: Config) -> None:
        super().check_config(cfg)
        number = cfg.optim_wrapper.get("accumulative_counts", 1)
        if number != 1:
            raise ADSError(
                f"EqualSteps counts updates of one batch each, as the phases of ADS make them, but "
                f"optim_wrapper.accumulative_counts is {number}; set it to 1 and raise batch_size."
            )

    def run_parts(self, runner: Runner) -> Iterator[tuple[str, LabelStats]]:
        assert self.loader is not None
        seed_everything(runner.seed, runner.epoch, "label_updates")
        updates = PASSES * len(self.loader)
        yield (
            "label_updates",
            run_label_updates(runner.model, runner.optim_wrapper, labeled_batches(runner), updates),
        )


def run_label_updates(
    model: nn.Module, optim_wrapper: OptimWrapper, labeled: Iterator[dict], updates: int
) -> LabelStats:
    """Ordinary training on labelled images, for as many updates as phases would have made.

    Args:
        model: Model to train, distributed or not.
        optim_wrapper: the Runner's own, so that momentum carries over as between its epochs.
        labeled: an endless iterator of labelled batches; one is used for each update.
        updates: how many.

    Raises:
        ADSError: if the loss is not finite.
    """
    inner = unwrap(model)
    total = torch.zeros((), dtype=torch.float64, device=next(inner.parameters()).device)
    model.train()
    for _ in range(updates):
        # not inside the context: autocast would round the boxes of a pipeline in this process
        batch = next(labeled)
        with optim_wrapper.optim_context(model):
            data = inner.data_preprocessor(batch, training=True)
            loss, _ = inner.parse_losses(model._run_forward(data, mode="loss"))
        update(optim_wrapper, loss, "label updates")
        total += loss.detach()
    all_reduce(total, op="mean")
    return LabelStats(total.item() / max(updates, 1), updates)
