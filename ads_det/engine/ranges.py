"""Numbers of a config that its classes would take and with which nothing is learnt or found."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from typing import Any

from ads_det.engine.config_keys import leaves, short
from ads_det.engine.declared import is_truth_text
from ads_det.errors import ADSError

Test = Callable[[float], bool]
_SHARE: tuple[Test, str] = (lambda x: 0 <= x <= 1, "a number from 0 to 1")
_ABOVE_0: tuple[Test, str] = (lambda x: x > 0, "a number above 0")
_FROM_0: tuple[Test, str] = (lambda x: 0 <= x < math.inf, "a number of 0 or more")
_COUNT: tuple[Test, str] = (
    lambda x: type(x) is int and (x >= 1 or x == -1),
    "a whole number of 1 or more, or -1 for all",
)
_STEP: tuple[Test, str] = (lambda x: type(x) is int and x >= 0, "a whole number of 0 or more")
_STEPS: tuple[Test, str] = (lambda x: type(x) is int and x >= 1, "a whole number of 1 or more")
# ends of dotted keys, without the places in lists; the first that fits holds
_RULES: tuple[tuple[str, tuple[Test, str]], ...] = (
    (r"model\..*test_cfg\..*score_thr", (lambda x: 0 <= x < 1, "a number from 0 to below 1")),
    (r"model\..*\.(iou_threshold|pos_iou_thr|neg_iou_thr|min_pos_iou)", _SHARE),
    (r"model\..*_cfg\..*(nms_pre|max_per_img)", _COUNT),
    (r"model\..*train_cfg\.(.*\.)?neg_pos_ratio", _ABOVE_0),
    (r"model\..*train_cfg\.(.*\.)?smoothl1_beta", _FROM_0),
    (r"(model\.)?data_preprocessor\.std", _ABOVE_0),
    (r"(model\.)?data_preprocessor\.pad_size_divisor", _STEPS),
    (r".*optimizer\.lr", (lambda x: 0 < x < math.inf, "a number above 0")),
    (r".*optimizer\.momentum", (lambda x: 0 <= x < 1, "a number from 0 to below 1")),
    (r".*optimizer\.weight_decay", _FROM_0),
    (r"optim_wrapper\.clip_grad\.(max_norm|clip_value)", _ABOVE_0),
    (r"(test|val)_evaluator\..*iou_thrs", (lambda x: 0 < x <= 1, "a number above 0, at most 1")),
    (r"param_scheduler\.(begin|milestones)", _STEP),
    (r"param_scheduler\.(T_max|step_size|end)", _STEPS),
    (r"param_scheduler\.(gamma|power|factor|start_factor)", _ABOVE_0),
    (r".*\.filter_cfg\.min_size", _FROM_0),
    (r"model\.(.*\.)?(num_classifiers|num_classes)", _STEPS),
    (r"optim_wrapper\.accumulative_counts", _STEPS),
    (r"default_hooks\.checkpoint\.(interval|max_keep_ckpts)", _COUNT),
    (r"default_hooks\.logger\.interval", _STEPS),
    (r".*dataloader\.(num_workers|prefetch_factor)", _STEP),
    (r".*dataloader\.num_batch_per_epoch", _STEPS),
    (r".*\.num_samples", (lambda x: type(x) is int and 1 <= x <= 10**7, "1 to 10,000,000")),
    (r".*lr_mult", _FROM_0),
    (r".*decay_mult", _FROM_0),
    (r".*\.indices", (lambda x: type(x) is int, "whole numbers")),
    (r"auto_scale_lr\.base_batch_size", _STEPS),
)


_NMS = ("nms", "soft_nms", "nms_match", "nms_quadri")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_TEXTS = re.compile(r".*\.(img_subdir|ann_subdir)")
_ALL = re.compile(r"(test|val|candidate)_dataloader\.(drop_last|num_batch_per_epoch)")
_MAY_BE_NONE = (".iou_thrs", ".indices", ".prefetch_factor", "param_scheduler.end")
_FLAGS = re.compile(
    r".*\.(filter_empty_gt|drop_last|shuffle|persistent_workers|pin_memory|per_classifier"
    r"|test_mode|load_annotations|norm_eval|with_bbox|keep_ratio|convert_to_iter_based"
    r"|bypass_duplicate)|auto_scale_lr\.enable"
    r"|(test|val)_cfg\.fp16"
)


def check_ranges(cfg: dict[str, Any]) -> None:
    """Refuse such numbers, and what is no number, or no truth value, in their place.

    Args:
        cfg: a config.

    Raises:
        ADSError: names the key.
    """
    level = cfg.get("log_level", "INFO")
    if level not in _LEVELS and type(level) is not int:
        raise ADSError(f"log_level is {short(level)}; use one of {', '.join(_LEVELS)}.")
    scale = cfg.get("auto_scale_lr")
    if isinstance(scale, dict) and scale.get("enable") and "base_batch_size" not in scale:
        raise ADSError("auto_scale_lr is enabled without base_batch_size; add it.")
    for key, value in leaves(cfg):
        if key.endswith(".indices") and value == 0:
            raise ADSError(f"{key} is 0, which leaves no image; use a number of 1 or more.")
        is_flag = _FLAGS.fullmatch(key) or (not key.endswith("]") and is_truth_text(value))
        if is_flag and not isinstance(value, bool):
            raise ADSError(f"{key} is {short(value)}; use True or False.")
        if re.fullmatch(r"model\..*nms\.type", key) and value not in _NMS:
            raise ADSError(f"{key} is {short(value)}; use one of {', '.join(_NMS)}.")
        if _ALL.fullmatch(key) and value and "active_learning" in cfg:
            raise ADSError(f"{key} is {value}, but each image counts there; take it out.")
        if _TEXTS.fullmatch(key) and not isinstance(value, str):
            raise ADSError(f"{key} is {short(value)}; use a text.")
        if (
            key.endswith(".metainfo.classes")
            and isinstance(value, str)
            and not os.path.isfile(value)
        ):
            raise ADSError(
                f"{key} is {short(value)}; use a list of names, and a comma after a single one: "
                f"({short(value)},)."
            )
        if key.endswith(".milestones"):
            raise ADSError(f"{key} is {short(value)}; use a list, such as [{short(value)}].")
        plain = re.sub(r"\[\d+\]", "", key)
        rule = next((rule for end, rule in _RULES if re.fullmatch(end, plain)), None)
        if rule is None or (value is None and plain.endswith(_MAY_BE_NONE)):
            continue
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not rule[0](value):
            raise ADSError(f"{key} is {short(value)}; use {rule[1]}.")
