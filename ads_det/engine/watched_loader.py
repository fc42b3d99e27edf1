"""A loader that notices a worker's end within seconds, also where it waits for minutes."""

from __future__ import annotations

import time
from typing import Any

from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

LOOK = 5.0  # seconds between two looks at the workers


class _WatchedIterator(_MultiProcessingDataLoaderIter):
    """With a ``timeout`` torch's own looks at its workers only when that is over: one that was
    ended before torch listened to the news of it would cost it all."""

    def _get_data(self) -> Any:
        if not self._timeout:
            return super()._get_data()
        end = time.monotonic() + self._timeout
        while (left := end - time.monotonic()) > 0:
            success, data = self._try_get_data(min(left, LOOK))
            if success:
                return data
        raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")


class WatchedLoader(DataLoader):
    """torch's loader with that iterator."""

    def _get_iterator(self) -> Any:
        return _WatchedIterator(self) if self.num_workers else super()._get_iterator()
