"""The schedulers of a training, stepped to its end before it begins."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIMIZERS, PARAM_SCHEDULERS
from torch import nn

from ads_det.console import say
from ads_det.engine.config_parts import named
from ads_det.errors import ADSError

_FAR = 10  # times the learning rate of the optimiser


class Schedule:
    """The schedulers of a training, stepped as it would step them, with one number for each
    setting of the parameters.

    Args:
        optimizer: config of the optimiser.
        wrapper: built from it, with the settings of each parameter.
        epoch: updates an epoch.
    """

    def __init__(self, optimizer: dict, wrapper: OptimWrapper, epoch: int) -> None:
        settings: list[dict] = []
        for group in wrapper.param_groups:
            own = {k: v for k, v in group.items() if k in wrapper.optimizer.defaults}
            settings += [] if own in settings else [own]
        groups = [dict(own, params=[nn.Parameter(torch.zeros(1))]) for own in settings]
        self._optimizer = OPTIMIZERS.build(dict(optimizer, params=groups))
        self._begin = self._rates()
        self._epoch = epoch
        self._parts: list[tuple[str, Any, Any]] = []

    def add(self, path: str, given: dict) -> Any:
        """Build one scheduler.

        Args:
            path: its key.
            given: its config.

        Returns:
            The scheduler.

        Raises:
            ADSError: if it makes a learning rate or a momentum of no meaning at once.
        """
        defaults = dict(optimizer=self._optimizer, epoch_length=self._epoch)
        built = PARAM_SCHEDULERS.build(copy.deepcopy(given), default_args=defaults)
        self._parts.append((path, given, built))
        self._check(path, 0)
        return built

    def play(self, epochs: int, epoch: int, is_known: bool = True) -> None:
        """Step to the end of a training.

        Args:
            epochs: Number of epochs of the training.
            epoch: Number of updates in one.
            is_known: whether that is their number; else one that schedulers count in epochs.

        Raises:
            ADSError: names the scheduler that cannot take a step, or makes a learning rate or a
                momentum of no meaning.
        """
        for number in range(epochs):
            for update in range(epoch):
                # those that have come to their end do nothing more; one update is certain
                acting = [
                    p
                    for p in self._parts
                    if not p[2].by_epoch
                    and p[2]._global_step < p[2].end
                    and (is_known or not update or p[1].get("by_epoch", True))
                ]
                if not acting:
                    break
                for path, given, scheduler in acting:
                    self._step(path, given, scheduler, number * epoch + update + 1)
            for path, given, scheduler in self._parts:
                if scheduler.by_epoch:
                    self._step(path, given, scheduler, (number + 1) * epoch)

    def say_far_end(self) -> None:
        """Say if the learning rate ends far above its begin."""
        for before, after in zip(self._begin, self._rates(), strict=True):
            if self._parts and after > _FAR * before:
                path = self._parts[-1][0]
                say(
                    f"{path}: the learning rate ends at {after:g}, far above {before:g}, that of "
                    "optim_wrapper.optimizer; correct one of them if this is not meant."
                )
                return

    def _step(self, path: str, given: dict, scheduler: Any, done: int) -> None:
        try:
            scheduler.step()
        except Exception:
            with named(path, given):
                raise
        self._check(path, done)

    def _rates(self) -> list[float]:
        return [float(group.get("lr") or 0) for group in self._optimizer.param_groups]

    def _check(self, path: str, done: int) -> None:
        after = f"after {done} iterations; correct it."
        for group in self._optimizer.param_groups:
            rate = float(group.get("lr") or 0)
            if not math.isfinite(rate):
                raise ADSError(f"{path}: the learning rate becomes infinite or NaN {after}")
            if rate < -1e-9:  # rounding aside
                raise ADSError(f"{path}: the learning rate becomes {rate:g}, below 0, {after}")
            momentum = float(group.get("momentum", 0))
            if not 0 <= momentum < 1:
                raise ADSError(
                    f"{path}: the momentum becomes {momentum:g}, which is not from 0 to below 1, "
                    f"{after}"
                )
