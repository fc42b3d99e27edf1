"""From a detector with two classifiers to the plain one of mmdet that it grew from."""

from __future__ import annotations

import copy
import inspect
from typing import Any

from mmengine.config import ConfigDict
from torch import Tensor, nn

from ads_det.errors import ADSError
from ads_det.models.base import TwoClassifierModel
from ads_det.models.doubled_layer import DoubledLayer, layers_of
from ads_det.models.preprocessor import DetDataPreprocessor
from ads_det.models.resnet import ResNet
from ads_det.models.ssd_head import ADSSSDHead
from ads_det.registry import MODELS

_SAME = (ResNet, DetDataPreprocessor)  # compute what their namesakes of mmdet do
_OURS = ("num_classifiers", "dropout", "assign_by")  # arguments of heads that mmdet's do not have


def plain_config(model: dict) -> ConfigDict:
    """Config of mmdet's own detector with one classifier.

    Args:
        model: config of a detector of this project; not changed.

    Raises:
        ADSError: if a part of it has no counterpart in mmdet.
    """
    plain = _plain(copy.deepcopy(ConfigDict(model)), "model")
    if isinstance(plain.get("test_cfg"), dict):
        plain.test_cfg.pop("per_classifier", None)
    return plain


def plain_state(model: nn.Module) -> tuple[dict[str, Tensor], str]:
    """Weights for :func:`plain_config`, and what they predict: ``'mean'``, if f1 and f2 are one
    linear layer a level, so that the mean of their weights gives the mean of their scores before
    the sigmoid or softmax; else ``'f1'``.

    Args:
        model: a detector of this project or of mmdet with its weights; not changed.
    """
    if not isinstance(model, TwoClassifierModel):  # mmdet's own already
        return {k: v.cpu().clone() for k, v in model.state_dict().items()}, "f1"
    first, *others = model.classifiers()
    names = {id(module): name for name, module in model.named_modules()}
    state = {k: v.cpu().clone() for k, v in model.state_dict().items()}
    state = {k: v for k, v in state.items() if not k.startswith("method_modules.")}
    if not others:
        return state, "f1"
    one, two = f"{names[id(first)]}.", f"{names[id(others[0])]}."
    second = {k: state.pop(k) for k in list(state) if k.startswith(two)}
    if not all(isinstance(layer, (nn.Conv2d, nn.Linear)) for layer in layers_of(first)):
        return state, "f1"
    for key, value in second.items():
        own = one + key.removeprefix(two)
        state[own] = (state[own] + value) / 2
    return state, "mean"


def _plain(node: Any, key: str) -> Any:
    if isinstance(node, list):
        return [_plain(part, f"{key}.{i}") for i, part in enumerate(node)]
    if not isinstance(node, dict):
        return node
    for name in list(node):
        node[name] = _plain(node[name], f"{key}.{name}")
    kind = node.get("type")
    if isinstance(kind, str) and kind.startswith("ads_det."):
        kind = MODELS.get(kind)
    if not inspect.isclass(kind) or not kind.__module__.startswith("ads_det."):
        return node
    known = (DoubledLayer, TwoClassifierModel, *_SAME)
    if not issubclass(kind, known) or issubclass(kind, ADSSSDHead):
        raise ADSError(
            f"{key}.type is {node['type']}, which mmdet does not have; export with --format onnx."
        )
    node["type"] = next(c.__name__ for c in kind.__mro__ if c.__module__.startswith("mmdet."))
    for name in _OURS:
        node.pop(name, None)
    return node
