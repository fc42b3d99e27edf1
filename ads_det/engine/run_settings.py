"""Which settings a run may go on with although they are not those that it began with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.dist import all_gather_object, get_world_size

from ads_det.errors import ADSError

# none of these changes what a run computes
_FREE_KEYS = frozenset({"work_dir", "launcher", "resume", "log_level", "filename"})
_FREE_ENTRIES: dict[str, Collection[str]] = {
    "active_learning": {"cycles", "metric", "min_gain", "proposal_threshold"},
    "randomness": {"seed"},
}
# nor do these, but for the number of workers, each of which draws augmentations of its own: it
# belongs to the machine, and a run may move to another
_OF_A_LOADER = {"num_workers", "persistent_workers", "pin_memory", "prefetch_factor", "timeout"}
_AUGMENTING = ("train_dataloader", "unlabeled_dataloader")
_LOADERS = (*_AUGMENTING, "candidate_dataloader", "val_dataloader", "test_dataloader")
_SHOWN = frozenset({"log_processor", "visualizer"})


def fingerprint(cfg: Config) -> dict[str, str]:
    """A short hash of each top-level key that matters, so that a difference can be named.

    Left out are the number of cycles, since a finished run may be given more; what only the
    table, the advice, the proposals, the log and the checkpoints of a training use; how loaders
    work; and the seed, which is compared by itself.
    """
    hooks = {"default_hooks": {"logger", "checkpoint", "timer", "visualization"}}
    loaders = dict.fromkeys(_LOADERS, _OF_A_LOADER)
    return _hashes(cfg, _FREE_KEYS | _SHOWN, {**_FREE_ENTRIES, **hooks, **loaders})


def changed_blocks(stored: Mapping[str, str], cfg: Config) -> list[str]:
    """Top-level keys in which a config differs from the one of a fingerprint.

    Args:
        stored: Result of :func:`fingerprint`.
        cfg: the config.
    """
    ours = fingerprint(cfg)
    return sorted(k for k in stored.keys() | ours.keys() if stored.get(k) != ours.get(k))


def check_processes(cfg: Config, *more: object) -> None:
    """Refuse processes of one command that were started with different settings: each would train
    by its own.

    Args:
        cfg: config of this process.
        more: what else must be the same, such as the seed.

    Raises:
        ADSError: on all processes, naming a key that differs.
    """
    if get_world_size() == 1:
        return
    settings = fingerprint(cfg) | {"seed, option or folder": repr(more)}
    first, *others = all_gather_object(settings)
    for rank, other in enumerate(others, start=1):
        differing = sorted(k for k in first.keys() | other.keys() if first.get(k) != other.get(k))
        if differing:
            raise ADSError(
                f"Process {rank} was started with another {differing[0]} than process 0; start all "
                "with the same config, options and version of ads_det."
            )


def changed_workers(before: Config, now: Config) -> str:
    """What to say of numbers of workers that differ; empty if none does."""
    for key in _AUGMENTING:
        numbers = [(cfg.get(key) or {}).get("num_workers") for cfg in (before, now)]
        if numbers[0] != numbers[1]:
            return (
                f"{key}.num_workers was {numbers[0]} and is {numbers[1]} now, so augmentations are "
                f"drawn otherwise from here on; --cfg-options {key}.num_workers={numbers[0]} keeps "
                "them."
            )
    return ""


def _hashes(
    cfg: Config, keys: Collection[str], entries: Mapping[str, Collection[str]]
) -> dict[str, str]:
    hashes = {}
    for key, value in cfg.to_dict().items():
        if key in keys:
            continue
        if key in entries and isinstance(value, dict):  # else it is refused later
            value = {k: v for k, v in value.items() if k not in entries[key]}
        hashes[key] = _hash(value)
    return hashes


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
