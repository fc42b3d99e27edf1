"""What a strategy may learn from, between evaluation and scoring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_distributed
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import DATASETS
from torch import nn
from torch.utils.data import DataLoader

from ads_det.engine.datasets import training_dataset, unlabeled_dataset
from ads_det.engine.runner import CycleRunner
from ads_det.errors import ADSError


@dataclass(frozen=True)
class FitStage:
    """What a strategy may learn from.

    Args:
        cfg: the run's config.
        labeled: list of the labelled ids; None before the first cycle.
        candidates: list of the ids that may be chosen.
        seed: seed of the stage, a function of run and cycle.
        load_models: the trained models of the cycle, in eval mode.
    """

    cfg: Config
    labeled: Path | None
    candidates: Path
    seed: int
    load_models: Callable[[], Sequence[nn.Module]]

    def candidate_images(self, batch_size: int, pipeline: list[dict] | None = None) -> DataLoader:
        """Batches of candidates in random order, each process its share, without annotations.

        Args:
            batch_size: images of one process.
            pipeline: replaces that of ``candidate_dataloader``.
        """
        return self._loader(self._images(self.candidates, pipeline), batch_size)

    def labeled_images(self, batch_size: int, pipeline: list[dict] | None = None) -> DataLoader:
        """Batches of labelled images likewise, prepared as the candidates are."""
        return self._loader(self._images(self._labeled(), pipeline), batch_size)

    def labeled_samples(self, batch_size: int) -> DataLoader:
        """Batches of labelled images with their annotations, prepared as for training."""
        return self._loader(training_dataset(self.cfg, self._labeled()), batch_size)

    def wrap(self, module: nn.Module) -> nn.Module:
        """A module to train, on the device of the run, for several processes where there are."""
        device = next(self.load_models()[0].parameters()).device
        module = module.to(device)
        if not is_distributed():
            return module
        devices = [device.index] if device.type == "cuda" else None
        return MMDistributedDataParallel(module, device_ids=devices)

    def _labeled(self) -> Path:
        if self.labeled is None:
            raise ADSError(
                "The strategy learns from labelled images, of which there are none yet; let "
                "another one choose the first (active_learning.initial_strategy)."
            )
        return self.labeled

    def _images(self, ids: Path, pipeline: list[dict] | None) -> dict:
        override = dict(self.cfg.candidate_dataloader.get("dataset") or {})
        return unlabeled_dataset(
            self.cfg, override | ({} if pipeline is None else dict(pipeline=pipeline)), ids
        )

    def _loader(self, dataset: dict, batch_size: int) -> DataLoader:
        cfg = {k: v for k, v in self.cfg.candidate_dataloader.items() if k != "dataset"}
        cfg |= dict(
            dataset=DATASETS.build(dataset),
            batch_size=batch_size,
            sampler=dict(type="DefaultSampler", shuffle=True),
            worker_init_fn=dict(type="ads_det.seed_worker"),
        )
        return CycleRunner.build_dataloader(cfg, seed=self.seed)
