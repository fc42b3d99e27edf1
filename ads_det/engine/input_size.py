"""The input of a detector: how large it is, and the config of the small SSD at another size."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.config import Config

from ads_det.engine.model_config import find_settings
from ads_det.labels.object_sizes import choose_anchor_sizes, small_objects_sentence

RESIZES = ("Resize", "ads_det.LoadResized")
_LOADERS = ("train_dataloader", "unlabeled_dataloader", "candidate_dataloader", "test_dataloader")


def input_scale(cfg: Config) -> tuple[tuple[int, int], bool] | None:
    """Width and height to which images are resized for scoring, and whether they keep their
    proportions; None where the pipeline resizes to no one scale."""
    loader = cfg.get("candidate_dataloader") or cfg.get("test_dataloader") or {}
    steps = (loader.get("dataset") or {}).get("pipeline") or ()
    for step in steps:
        if step.get("type") in RESIZES and isinstance(step.get("scale"), Sequence):
            width, height = step["scale"]
            return (int(width), int(height)), bool(step.get("keep_ratio", False))
    return None


def size_at_input(
    box: tuple[float, float], image: tuple[int, int], scale: tuple[int, int], keep_ratio: bool
) -> float:
    """Root of a box's area at the input, pixels.

    Args:
        box: width and height in the image, pixels.
        image: its width and height.
        scale: Input scale, see :func:`input_scale`.
        keep_ratio: whether the image keeps its proportions, and is fitted in as mmcv does.
    """
    factors = scale[0] / image[0], scale[1] / image[1]
    if keep_ratio:
        long, short = max(scale), min(scale)
        factors = (min(long / max(image), short / min(image)),) * 2
    return float(np.sqrt(max(box[0], 0) * factors[0] * max(box[1], 0) * factors[1]))


def small_objects(cfg: Config, dataset: Any) -> str:
    """One sentence if many labelled objects are too small at the input; nothing else.

    Args:
        cfg: names the pipeline of the input.
        dataset: Data set of mmdet, or a wrapper around one, with its labels loaded.
    """
    while hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    found = input_scale(cfg)
    if found is None or not hasattr(dataset, "get_data_info"):
        return ""
    scale, keep_ratio = found
    sizes = []
    for i in range(len(dataset)):
        item = dataset.get_data_info(i)
        if not item.get("width") or not item.get("height"):
            continue
        for x1, y1, x2, y2 in (box["bbox"] for box in item.get("instances") or ()):
            image = item["width"], item["height"]
            sizes.append(size_at_input((x2 - x1, y2 - y1), image, scale, keep_ratio))
    return small_objects_sentence(
        np.asarray(sizes),
        f"the input of {scale[0]} x {scale[1]}",
        "a larger input would find more: ads-det init chooses one for the labels that "
        "--labels names, or raise the scale of every Resize",
    )


def with_input_size(cfg: Config, size: int, relative: np.ndarray) -> dict[str, Any]:
    """What a config inherited from the small SSD sets for another square input.

    Args:
        cfg: the small SSD's.
        size: side of the input, pixels.
        relative: sizes of objects as shares of the image's side; its anchors span them. With none
            the anchors grow with the input.

    Returns:
        The blocks to override, with whole lists.
    """
    scale = input_scale(cfg)
    assert scale is not None
    factor = size / scale[0][0]
    key, generator = next(find_settings(cfg.model, "anchor_generator"))
    levels = len(generator.strides)
    if len(relative):
        borders = choose_anchor_sizes(relative * size, size, levels)
    else:
        old = [*generator.min_sizes, generator.max_sizes[-1]]
        borders = [old[0], *(round(side * factor) for side in old[1:])]
    anchors = dict(input_size=size, min_sizes=borders[:-1], max_sizes=borders[1:])
    whole = cfg.to_dict()
    found: dict[str, Any] = anchors
    for name in reversed(key.split(".")):
        found = {name: found}
    for key in _LOADERS:
        if cfg.get(key) is not None:
            steps = [_scaled(step, factor) for step in whole[key]["dataset"]["pipeline"]]
            found[key] = dict(dataset=dict(pipeline=steps))
    return found


def as_python(blocks: Mapping[str, Any]) -> str:
    """Assignments that a config file can hold."""
    text: str = Config(dict(blocks)).pretty_text
    return text


def _scaled(step: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """A transform for an input that is so many times as large."""
    own = copy.deepcopy(dict(step))
    for name in ("scale", "border"):
        if name in own and isinstance(own[name], Sequence):
            own[name] = tuple(round(side * factor) for side in own[name])
    return {k: tuple(v) if isinstance(v, list) else v for k, v in own.items()}
