"""What a strategy may learn from, between evaluation and scoring."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmengine.config import Config
from mmengine.dist import is_distributed
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import DATASETS
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ads_det.active.scoring import measure_images, scorable_model
from ads_det.core.outputs import BOXES
from ads_det.data.pool_dataset import pool_id
from ads_det.data.samplers import RepeatedBatchSampler
from ads_det.engine.datasets import (
    bare_dataset,
    candidate_dataset,
    candidate_loader,
    training_dataset,
    unlabeled_dataset,
)
from ads_det.engine.runner import CycleRunner
from ads_det.engine.seeding import derive_seed
from ads_det.errors import ADSError

if TYPE_CHECKING:
    from ads_det.active.strategies.base import Accumulator


@dataclass(frozen=True)
class FitStage:
    """What a strategy may learn from.

    Args:
        cfg: the run's config.
        labeled: list of the labelled ids; None before the first cycle.
        candidates: list of the ids that may be chosen.
        seed: seed of the stage, a function of run and cycle.
        load_models: the trained models of the cycle, in eval mode.
        remedy: what to do where there are no labelled images.
    """

    cfg: Config
    labeled: Path | None
    candidates: Path
    seed: int
    load_models: Callable[[], Sequence[nn.Module]]
    remedy: str = "let another one choose the first (active_learning.initial_strategy)"

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

    def repeated(
        self, batch_size: int, batches: int, labeled: bool
    ) -> Iterator[tuple[list[str], Tensor]]:
        """A fixed number of batches in random order, the same on every process, without
        annotations.

        Args:
            batch_size: images.
            batches: how many.
            labeled: whether to take the labelled images, prepared as the candidates are, or these.

        Returns:
            For each batch its ids and its images (N, 3, H, W) as the model gets them while it
            trains, with the augmentation of its data preprocessor.
        """
        preprocessor = scorable_model(self.load_models()[0]).data_preprocessor
        data = DATASETS.build(self._images(self._labeled() if labeled else self.candidates, None))
        seed = derive_seed(self.seed, "labeled" if labeled else "unlabeled")
        sampler = RepeatedBatchSampler(len(data), batch_size, batches, seed)
        cfg = dict(self._loader_options(), dataset=data, sampler=None, batch_sampler=sampler)
        for batch in CycleRunner.build_dataloader(cfg, seed=self.seed):
            ready = preprocessor(batch, training=True)
            samples = ready["data_samples"]
            names = [s.img_id for s in samples] if isinstance(samples, list) else samples.img_id
            yield list(names), ready["inputs"]

    def measure(
        self, needs: frozenset[str], accumulator: Callable[[], Accumulator], labeled: bool
    ) -> dict[str, Any]:
        """What an accumulator makes of each image, by its id: of the labelled images or of the
        candidates, prepared for scoring; the models are in eval mode. Unreadable images are
        missing."""
        ids = self._labeled() if labeled else self.candidates
        loader = candidate_loader(self.cfg, ids)
        found = measure_images(self.load_models(), loader, needs, accumulator)
        return dict(zip(found.ids, found.values, strict=True))

    def labeled_classes(self) -> dict[str, Tensor]:
        """Which classes each labelled image shows, by its id: shape (C,), 0 or 1.

        Raises:
            ADSError: if an image has no labels, or the config no data set that reads them.
        """
        if self.cfg.get("train_dataloader") is None:
            raise ADSError(
                "The strategy asks which classes labelled images show, but a folder of images has "
                "no labels; rank the pool of the config, or use another strategy."
            )
        data = DATASETS.build(bare_dataset(training_dataset(self.cfg, self._labeled())))
        found = {}
        for i in range(len(data)):
            info = data.get_data_info(i)
            if "gt_label" in info:
                labels = [info["gt_label"]]
            else:
                labels = [box["bbox_label"] for box in info.get("instances", ())]
            shown = torch.zeros(self.num_classes())
            shown[labels] = 1.0
            found[pool_id(info)] = shown
        return found

    def num_classes(self) -> int:
        """Classes of the data, C."""
        return len(candidate_dataset(self.cfg).known_classes()) or int(
            scorable_model(self.load_models()[0]).num_classes
        )

    def is_detection(self) -> bool:
        """Whether an image may show several objects, or none."""
        return BOXES in scorable_model(self.load_models()[0]).provides

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
                "The strategy learns from labelled images, of which there are none yet; "
                f"{self.remedy}."
            )
        return self.labeled

    def _images(self, ids: Path, pipeline: list[dict] | None) -> dict:
        override = dict(self.cfg.candidate_dataloader.get("dataset") or {})
        return unlabeled_dataset(
            self.cfg, override | ({} if pipeline is None else dict(pipeline=pipeline)), ids
        )

    def _loader(self, dataset: dict, batch_size: int) -> DataLoader:
        cfg = dict(
            self._loader_options(),
            dataset=DATASETS.build(dataset),
            batch_size=batch_size,
            sampler=dict(type="DefaultSampler", shuffle=True),
        )
        return CycleRunner.build_dataloader(cfg, seed=self.seed)

    def _loader_options(self) -> dict:
        """Of the candidates' loader, all but its data set and its batches."""
        own = {
            k: v
            for k, v in self.cfg.candidate_dataloader.items()
            if k not in ("dataset", "batch_size")
        }
        return own | dict(worker_init_fn=dict(type="ads_det.seed_worker"))
