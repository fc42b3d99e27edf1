"""The transforms of a loader, built, and the ordinary ones tried on a grey image."""

from __future__ import annotations

import copy
import importlib.util
import io
from collections.abc import Sequence
from typing import Any

import mmcv
import numpy as np
from mmcv.image.io import imread_flags
from mmengine.registry import DATASETS, TRANSFORMS
from PIL import Image

from ads_det.engine.config_parts import build_part, find_type, named
from ads_det.errors import ADSError

_HEIGHT, _WIDTH = 60, 80
BOX = [20.0, 15.0, 60.0, 45.0]  # x1, y1, x2, y2 of the one object of the grey image
_LOADS = frozenset({"LoadImageFromFile", "LoadResized"})
# those that need one image and its boxes, and nothing else
_ORDINARY = frozenset(
    {
        *("LoadAnnotations", "Resize", "RandomResize", "RandomFlip", "RandomCrop", "Pad"),
        *("PhotoMetricDistortion", "Expand", "MinIoURandomCrop", "RandomAffine", "LoadResized"),
        *("PackDetInputs", "YOLOXHSVRandomAug", "RandomShift"),
    }
)


def mixes_images(dataset: dict, path: str) -> bool:
    """Whether a data set gives each transform the other images that it asks for, as a
    MultiImageMixDataset or a subclass does.

    Args:
        dataset: its config.
        path: key of that config.

    Raises:
        ADSError: if its type is unknown.
    """
    return hasattr(find_type(DATASETS, dataset.get("type"), path), "update_skip_type_keys")


def try_pipeline(steps: Sequence[Any], path: str, mixes: bool = False) -> dict[str, Any] | None:
    """Build each transform; as long as all are ordinary ones, let an image pass through them.

    Args:
        steps: config of each.
        path: key of the list.
        mixes: whether the data set :func:`mixes_images`.

    Returns:
        What came out, if all transforms are ordinary ones and left something.

    Raises:
        ADSError: names the first that cannot be built, refuses the image or needs others.
    """
    results: dict[str, Any] | None = None
    for number, step in enumerate(steps):
        where = f"{path}[{number}]"
        transform = build_part(TRANSFORMS, step, where)
        name = type(transform).__name__
        asks = any(hasattr(transform, ask) for ask in ("get_indexes", "get_indices"))
        if asks and not mixes and not name.startswith("Cached"):  # those keep images themselves
            raise ADSError(
                f"{where} ({name}) mixes several images; put it into the pipeline of a "
                "MultiImageMixDataset around this data set, or use its Cached form."
            )
        if number == 0 and name in (_LOADS | {"LoadAnnotations"}):
            results = _item()
        if results is not None and name in _LOADS:
            results |= _loaded(getattr(transform, "color_type", "color"))
        if name == "LoadImageFromFile":
            with named(where, step):
                _decode(transform)
            continue
        if name not in _ORDINARY:
            results = None
        elif results is not None:
            with named(where, step):
                # a random crop may find nothing to show
                results = transform(copy.deepcopy(results))
    return results


def _decode(transform: Any) -> None:
    """Let the transform's decoder read a small image."""
    backend, colour = transform.imdecode_backend, transform.color_type
    if colour not in imread_flags:
        raise ADSError(f"color_type is {colour!r}; use one of {', '.join(imread_flags)}")
    if backend == "tifffile":
        if importlib.util.find_spec("tifffile") is None:
            raise ImportError("imdecode_backend='tifffile' needs the package tifffile")
        return
    encoded = io.BytesIO()
    Image.new("RGB", (8, 8)).save(encoded, "JPEG")
    mmcv.imfrombytes(encoded.getvalue(), flag=colour, backend=backend)


def _item() -> dict[str, Any]:
    """What a data set says of an image, before it is loaded."""
    box = dict(bbox=[*BOX], bbox_label=0, ignore_flag=0)
    names = dict(img_id="image", img_path="image")
    return dict(height=_HEIGHT, width=_WIDTH, instances=[box], **names)


def _loaded(colour: str) -> dict[str, Any]:
    size = (_HEIGHT, _WIDTH)
    shape = size if colour == "grayscale" else (*size, 3)
    return dict(img=np.full(shape, 127, np.uint8), img_shape=size, ori_shape=size)
