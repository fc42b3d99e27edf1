"""mmengine's Runner for one cycle of many in a process."""

from __future__ import annotations

import contextlib
import io
import logging
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

from ads_det.console import say_once
from ads_det.engine.checkpoints import fits, safe_loader, weights_in
from ads_det.engine.class_rows import Transfer, carry_classes, class_tensors
from ads_det.engine.datasets import candidate_dataset, classes_of_checkpoint
from ads_det.engine.fused import fuse
from ads_det.engine.methods import build_method
from ads_det.engine.phases import unwrap
from ads_det.engine.watched_loader import WatchedLoader
from ads_det.errors import ADSError
from ads_det.files import replacing

LOADER_TIMEOUT = 600  # seconds


class CycleRunner(Runner):
    """A Runner that trains by the ``method`` of its config.

    Its log goes to its file, and to the console only from ERROR on: ten cycles would otherwise
    print the environment and the config ten times. What a user should know is said with
    :func:`ads_det.console.say`.
    """

    def build_model(self, model: Any) -> torch.nn.Module:
        """The model of the config with what the run's method adds to it."""
        self.method = build_method(self.cfg)
        built = super().build_model(model)
        self.method.extend_model(built)
        if not torch.cuda.is_available():  # where SyncBatchNorm would refuse several processes
            built = revert_sync_batchnorm(built)
        # measured on a CPU: a training step of a small SSD takes three quarters of the time
        return built.to(memory_format=torch.channels_last)

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """As in mmengine; Adam runs fused where it can."""
        return fuse(super().build_optim_wrapper(optim_wrapper))

    def register_custom_hooks(self, hooks: list) -> None:
        self.register_hook(self.method)
        super().register_custom_hooks(hooks)

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> Any:
        """As in mmengine, but a file is read without executing anything in it.

        Raises:
            ADSError: if the file is damaged, holds more than weights and plain data, or nothing
                of it fits the model.
        """
        before = {} if self._resume else {k: v.clone() for k, v in self._state().items()}
        with contextlib.ExitStack() as stack:
            if Path(filename).is_file():  # else an address that the user gave
                stack.enter_context(safe_loader())
            # mmengine prints what does not fit, a line for each tensor
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            content = super().load_checkpoint(filename, *args, **kwargs)
        own, given = self._state(), weights_in(content, filename)
        given = {k.removeprefix("module."): v for k, v in given.items()}
        if not any(fits(v, own[k]) for k, v in given.items() if k in own):
            raise ADSError(f"Nothing in {filename} fits the model; name a checkpoint of it.")
        if not self._resume:
            self._carry_classes(before, given, classes_of_checkpoint(content), filename)
        return content

    def _state(self) -> dict[str, torch.Tensor]:
        state: dict[str, torch.Tensor] = unwrap(self.model).state_dict()
        return state

    def _carry_classes(
        self, before: dict[str, torch.Tensor], given: dict, given_names: list[str], filename: str
    ) -> None:
        """Of weights of other classes what the model can use, and one line of what was loaded,
        unless it is the model of the cycle before."""
        own, names = self._state(), list(candidate_dataset(self.cfg).known_classes())
        whole = own.keys() == given.keys() and all(fits(given[k], v) for k, v in own.items())
        if whole and given_names in ([], names):
            if not self.cfg.get("goes_on"):
                say_once(Transfer(list(own)).sentence(filename))
            return
        known = class_tensors(self.cfg.model)
        both = names, given_names
        say_once(carry_classes(own, before, given, known, both, self.seed or 0).sentence(filename))

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        """As in mmengine, but the file is there whole or not at all.

        Raises:
            ADSError: if it cannot be written; the checkpoints before it are as they were.
        """
        if is_main_process():
            with replacing(Path(out_dir, filename)) as temporary:
                super().save_checkpoint(out_dir, temporary.name, *args, **kwargs)

    @staticmethod
    def build_dataloader(dataloader: Any, *args: Any, **kwargs: Any) -> DataLoader:
        """As in mmengine, but a worker that gives nothing for ten minutes ends the run instead of
        keeping it waiting for ever, and beside a GPU batches lie in pinned memory; ``timeout``
        and ``pin_memory`` of the loader's config say otherwise."""
        if isinstance(dataloader, dict) and dataloader.get("num_workers", 0) > 0:
            dataloader = dict(dict(timeout=LOADER_TIMEOUT), **dataloader)
        if isinstance(dataloader, dict) and torch.cuda.is_available():
            # from there copies to the device need not be waited for
            dataloader = dict(dict(pin_memory=True), **dataloader)
        if isinstance(dataloader, dict) and isinstance(dataloader["dataset"], Dataset):
            # mmengine copies what it is given: of a million images that takes seconds
            dataloader = dict(dataloader, dataset=_Itself(dataloader["dataset"]))
        built = Runner.build_dataloader(dataloader, *args, **kwargs)
        if type(built) is DataLoader:
            built.__class__ = WatchedLoader
        return built

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.setLevel(max(handler.level, logging.ERROR))
        return logger


class _Itself:
    """What a deep copy leaves as it is."""

    def __init__(self, whole: Dataset) -> None:
        self.whole = whole

    def __deepcopy__(self, memo: dict) -> Dataset:
        return self.whole
