"""Random state as a function of where the run stands, so that it never has to be saved."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch
from mmengine.dist import get_rank

from ads_det.registry import FUNCTIONS


def derive_seed(*parts: int | str) -> int:
    """A 32-bit seed from the run's seed and any words, such as a cycle and the name of a phase.

    Different parts give unrelated seeds on every machine and Python version.
    """
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "little")


def seed_everything(*parts: int | str, by_rank: bool = True) -> None:
    """Seed Python, NumPy and torch from ``parts`` and, so that ranks augment differently, from
    the rank; all ranks alike if ``by_rank`` is False."""
    seed = derive_seed(*parts, get_rank() if by_rank else 0)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # CUDA too


@FUNCTIONS.register_module()
def seed_worker(worker_id: int) -> None:
    """Seed a data-loader worker from torch's per-epoch seed.

    mmengine's own function gives a worker the same seed in every epoch, so augmentation would
    repeat itself from epoch to epoch.
    """
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)
