"""LL4AL: a module that learns to predict the loss of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from ads_det.engine.methods.base import Method
from ads_det.engine.phases import unwrap
from ads_det.errors import ADSError
from ads_det.registry import METHODS

NAME = "loss_predictor"
TARGETS = ("mean", "sum")


@METHODS.register_module()
class LL4AL(Method):
    """Learning Loss for Active Learning (Yoo and Kweon, CVPR 2019).

    Label training in which a :class:`~ads_det.models.loss_predictor.LossPredictor` learns which
    image of a pair has the larger loss; no unlabelled image is seen. ``ads_det.LearnedLoss``
    selects by what it predicts. Its log has ``loss_learned`` beside the task's losses.

    Args:
        taps: names of the modules whose maps it reads, such as ``'backbone.layer3'``; unless
            given those of :func:`~ads_det.models.loss_predictor.default_taps`.
        weight: Weight of the ranking loss beside the task loss (paper: 1).
        margin: Margin of the ranking loss (paper: 1).
        stop: share of the training after which its gradient ends at the maps, while it trains
            on: 120 of 200 epochs in the paper's classification, 240 of 300 in its detection.
            0 never lets it reach them, 1 always.
        target: an image's loss in detection, ``'mean'`` per positive anchor or ``'sum'``.
        width: outputs of the layer of each map (the paper: 128).

    Raises:
        ADSError: if an argument has no meaning.
    """

    provides = frozenset({"predicted_loss"})

    def __init__(
        self,
        taps: Sequence[str] | None = None,
        weight: float = 1.0,
        margin: float = 1.0,
        stop: float = 0.6,
        target: str = "mean",
        width: int = 128,
    ) -> None:
        named = isinstance(taps, (list, tuple)) and taps and all(isinstance(t, str) for t in taps)
        if taps is not None and not named:
            raise ADSError(f"LL4AL.taps is {taps!r}; use a list of names of modules, or None.")
        for name, value in (("weight", weight), ("margin", margin)):
            if type(value) not in (int, float) or not 0 < value < float("inf"):
                raise ADSError(f"LL4AL.{name} is {value!r}; use a number above 0.")
        if type(stop) not in (int, float) or not 0 <= stop <= 1:
            raise ADSError(f"LL4AL.stop is {stop!r}; use a share of the training from 0 to 1.")
        if target not in TARGETS:
            raise ADSError(f"LL4AL.target is {target!r}; use one of {', '.join(TARGETS)}.")
        if type(width) is not int or width < 1:
            raise ADSError(f"LL4AL.width is {width!r}; use a whole number of 1 or more.")
        self.taps, self.stop = taps, stop
        self.arguments = dict(weight=weight, margin=margin, target=target, width=width)

    def check_config(self, cfg: Config) -> None:
        size: Any = cfg.train_dataloader.get("batch_size")
        if type(size) is int and size % 2:
            raise ADSError(
                f"train_dataloader.batch_size is {size}, but LL4AL compares the images of a batch "
                "in pairs; use an even number."
            )

    def extend_model(self, model: nn.Module) -> None:
        # not above: it imports mmdet's models, whose warnings only a running tool keeps quiet
        from ads_det.models.loss_predictor import LossPredictor, default_taps

        if not hasattr(model, "add_extension"):
            raise ADSError(
                f"LL4AL cannot add its module to {type(model).__name__}; use ads_det.ADSDetector "
                "or ads_det.ADSClassifier."
            )
        taps = default_taps(model) if self.taps is None else self.taps
        model.add_extension(NAME, LossPredictor(model, taps, **self.arguments))

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        predictor = unwrap(runner.model).method_modules[NAME]
        # of iterations counted from 0, so that a training cut short goes on as it would have
        predictor.detached = runner.iter >= round(self.stop * runner.max_iters)
