"""Small hooks of the training of one cycle."""

from __future__ import annotations

import time
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from tqdm import tqdm

from ads_det.console import ProgressLines, duration, progress_bar, say, shows_soon
from ads_det.engine.input_size import small_objects
from ads_det.engine.pace import Pace
from ads_det.engine.phases import unwrap
from ads_det.engine.seeding import seed_everything
from ads_det.errors import ADSError
from ads_det.registry import HOOKS

_NARROW = "{desc} |{bar}| {n_fmt}/{total_fmt}{postfix}"  # so that 80 columns hold the time left


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Make the random state of a label epoch a function of (seed, epoch).

    A resumed epoch then augments exactly like an uninterrupted one, and the phases before it
    leave no trace in it. Gradients that are accumulated over several batches
    (``optim_wrapper.accumulative_counts``) are used by the end of the epoch, the last ones over
    the batches that are left: phases and checkpoints find none that wait. What mmdet's
    CachedMosaic, CachedMixUp and BatchSyncRandomResize keep from batch to batch is forgotten, as
    it is wherever workers load.
    """

    priority = "LOW"  # after the phases

    def before_train_epoch(self, runner: Runner) -> None:
        seed_everything(runner.seed, runner.epoch, "label")
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        batches = len(runner.train_dataloader)
        if by_epoch and batches % getattr(runner.optim_wrapper, "_accumulative_counts", 1):
            runner.optim_wrapper.initialize_count_status(runner.model, 0, batches)
        pipeline = getattr(runner.train_dataloader.dataset, "pipeline", None)
        for step in getattr(pipeline, "transforms", ()):
            if hasattr(step, "results_cache"):
                step.results_cache = []
        for module in unwrap(runner.model).data_preprocessor.modules():
            if hasattr(module, "_input_size"):
                module._input_size = None


@HOOKS.register_module()
class FitToDataHook(Hook):
    """Fit model and data to each other before the first epoch.

    A classifier's preprocessor without mean and deviation takes those of the training images;
    a number of classes that is not the data set's stops the run. Where people label, it says
    which classes no label shows yet; and of a detector whether many objects are too small at its
    input.
    """

    def before_train(self, runner: Runner) -> None:
        model, dataset = unwrap(runner.model), runner.train_dataloader.dataset
        if not len(runner.train_dataloader):  # epochs would begin for ever
            raise ADSError(
                f"{len(dataset)} labelled images make no batch, since train_dataloader.drop_last "
                "wants whole ones; take it out, or lower batch_size."
            )
        while hasattr(dataset, "dataset"):  # inside wrappers such as RepeatDataset
            dataset = dataset.dataset
        if getattr(model.data_preprocessor, "needs_statistics", False):
            model.data_preprocessor.set_statistics(*dataset.channel_statistics())
        expected = getattr(model, "num_classes", None)
        classes = dataset.metainfo.get("classes") or ()
        if expected is not None and expected != len(classes):
            raise ADSError(
                f"The data set has {len(classes)} classes, but model.num_classes is {expected}; "
                "change one of them."
            )
        text = small_objects(runner.cfg, dataset)
        if text:
            say(text)
        if (runner.cfg.get("active_learning") or {}).get("oracle") == "human":
            absent = [name for name, count in dataset.class_counts().items() if not count]
            if absent:
                named = ", ".join(map(repr, absent))
                say(f"No labelled image shows the class {named} yet, so it cannot be learnt.")


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stop at the first loss that is not finite, before a checkpoint is written."""

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        losses = {name: value for name, value in outputs.items() if "loss" in name}
        finite = torch.stack([value.detach().isfinite().all() for value in losses.values()])
        if not finite.all():  # the one wait for the device in a step
            bad = [name for name, one in zip(losses, finite.tolist(), strict=True) if not one]
            raise ADSError(
                f"The training loss ({', '.join(bad)}) is not finite in epoch {runner.epoch}, "
                f"iteration {batch_idx}: lower optim_wrapper.optimizer.lr, lengthen the warm-up, "
                "or set optim_wrapper.clip_grad=dict(max_norm=10)."
            )


@HOOKS.register_module()
class ProgressHook(Hook):
    """One progress bar over all iterations of a training or a test.

    Args:
        before: seconds that a training like this one took in the cycle before.
        rest: seconds that the cycle is expected to take after its training.
        later: trainings that follow in other cycles, in units of this one; None where nobody knows
            when they come.
        later_rest: seconds that those cycles are expected to take beside their trainings.
    """

    def __init__(
        self,
        before: float | None = None,
        rest: float | None = None,
        later: float | None = None,
        later_rest: float = 0,
    ) -> None:
        self._bar: tqdm | None = None
        self._before, self._rest = before, rest
        self._later, self._later_rest = later, later_rest

    def before_train(self, runner: Runner) -> None:
        if runner.iter:
            say(f"The training goes on from epoch {runner.epoch + 1} of {runner.max_epochs}.")
        self._bar = progress_bar(
            None, "train", total=runner.max_iters, initial=runner.iter, bar_format=_NARROW
        )
        methods = [hook.is_due for hook in runner.hooks if hasattr(hook, "is_due")]
        if runner.cfg.get("unlabeled_dataloader") is None:
            methods = []
        self._pace = Pace(
            runner.max_epochs, lambda epoch: any(due(epoch) for due in methods), self._before
        )
        self._pace.begin(runner.epoch, time.monotonic())

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        assert self._bar is not None
        if shows_soon(self._bar):  # to read the loss waits for the device
            note = f"epoch {runner.epoch + 1}"
            if isinstance(self._bar, ProgressLines):
                note += f" of {runner.max_epochs}"
            loss = outputs and outputs.get("loss")
            if loss is not None:
                note += f", loss {float(loss.detach()):.3f}"
            # not of runner.iter: with another number of processes it counted other steps
            note += self._outlook((batch_idx + 1) / len(runner.train_dataloader))
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update()

    def after_train_epoch(self, runner: Runner) -> None:
        self._pace.end_epoch(time.monotonic())

    def _outlook(self, share: float) -> str:
        """Time left of the training, the cycle and the run, as far as it is known."""
        now = time.monotonic()
        left, is_open = self._pace.left(share, now)
        begin = ", left: training" if isinstance(self._bar, ProgressLines) else ", left"
        if is_open:
            return f"{begin} more than {duration(left)}"
        text = f"{begin} {duration(left)}"
        if self._rest is not None:
            text += f", cycle {duration(left + self._rest)}"
        if self._later is not None:
            run = left + (self._rest or 0) + self._later_rest
            run += self._pace.whole(left, now) * self._later
            text += f", run {duration(run)}"
        return text

    def before_test(self, runner: Runner) -> None:
        self._bar = progress_bar(None, "test", total=len(runner.test_dataloader))

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        assert self._bar is not None
        self._bar.update()

    def after_train(self, runner: Runner) -> None:
        if self._bar is not None:
            self._bar.close()

    def after_test(self, runner: Runner) -> None:
        self.after_train(runner)
