"""How long a training will go on, judged by what it has taken so far."""

from __future__ import annotations

from collections.abc import Callable


class Pace:
    """Epochs before which a method looks at unlabelled images take longer than others, so each
    kind is counted at its own mean.

    Args:
        epochs: Number of epochs of the training.
        is_long: whether an epoch, counted from 0, is one of those.
        before: seconds that a training like this one took, if known.
    """

    def __init__(
        self, epochs: int, is_long: Callable[[int], bool], before: float | None = None
    ) -> None:
        self._is_long = [is_long(epoch) for epoch in range(epochs)]
        self._before = before
        self._taken: dict[bool, list[float]] = {True: [], False: []}

    def begin(self, epoch: int, now: float) -> None:
        """The training begins, or goes on, with an epoch."""
        self._first, self._epoch = epoch, epoch
        self._start = self._epoch_start = now

    def end_epoch(self, now: float) -> None:
        self._taken[self._is_long[self._epoch]].append(now - self._epoch_start)
        self._epoch, self._epoch_start = self._epoch + 1, now

    def left(self, share: float, now: float) -> tuple[float, bool]:
        """Seconds left, and whether that is certainly too little: long epochs are to come and none
        has been seen.

        Args:
            share: Share of the current epoch's label updates that are done, above 0.
            now: time on the clock of :meth:`begin`.
        """
        elapsed = now - self._epoch_start
        short = _mean(self._taken[False])
        is_long = self._is_long[self._epoch]
        if short is None:  # the first epoch, or a training that goes on
            short = elapsed / share
        # what makes an epoch long comes before its label updates
        left = (1 - share) * short
        to_come = self._is_long[self._epoch + 1 :]
        long = _mean(self._taken[True])
        if long is None and is_long:
            long = elapsed + left
        left += short * to_come.count(False)
        left += (short if long is None else long) * to_come.count(True)
        is_open = long is None and any(to_come)
        if is_open and self._before is not None:
            return max(left, self._before * self._part - (now - self._start)), False
        return left, is_open

    def whole(self, left: float, now: float) -> float:
        """Seconds of all epochs, when ``left`` are left."""
        return (now - self._start + left) / self._part

    @property
    def _part(self) -> float:
        """What of the training lies after :meth:`begin`."""
        return 1 - self._first / len(self._is_long)


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
