"""What pipelines that measure must leave as it is: the image, but for its size, and its boxes."""

from __future__ import annotations

from typing import Any

import torch

from ads_det.engine.dry_pipeline import BOX
from ads_det.engine.metric_names import kind_of
from ads_det.errors import ADSError

# those whose name does not begin with Random, CachedMosaic and CachedMixUp among them
_AUGMENTS = ("PhotoMetricDistortion", "Expand", "MinIoURandomCrop", "YOLOXHSVRandomAug")
_AUGMENTS += ("Mosaic", "MixUp", "CopyPaste", "CutOut", "RandAugment")


def check_steady(dataset: dict[str, Any], path: str) -> None:
    """Refuse augmentation where images are tested or scored: results would be of chance, or boxes
    those of another image.

    Args:
        dataset: config of the data set, with those that it wraps.
        path: its key.

    Raises:
        ADSError: names the step.
    """
    inner = dataset.get("datasets") or [dataset.get("dataset")]
    for part in inner if isinstance(inner, (list, tuple)) else [inner]:
        if isinstance(part, dict):
            check_steady(part, f"{path}.dataset")
    for number, step in enumerate(dataset.get("pipeline") or ()):
        name = kind_of(step) if isinstance(step, dict) else ""
        augments = name.startswith("Random") or name.removeprefix("Cached") in _AUGMENTS
        if augments and step.get("prob") != 0 and not step.get("test_mode"):
            raise ADSError(
                f"{path}.pipeline[{number}] ({name}) augments the images that are tested or "
                "scored; take it out."
            )


def check_boxes(shown: dict[str, Any], path: str) -> None:
    """See that the boxes that come out are those of the image as it is on disk, which is what
    predictions are compared with.

    Args:
        shown: what came out of the pipeline for the grey image.
        path: key of the pipeline.

    Raises:
        ADSError: if they were moved.
    """
    boxes = (shown["data_samples"].get("gt_instances") or {}).get("bboxes")
    if boxes is None:
        return
    corners = torch.as_tensor(getattr(boxes, "tensor", boxes), dtype=torch.float)
    if corners.shape != (1, 4) or not torch.allclose(corners[0], torch.tensor(BOX), atol=1e-3):
        raise ADSError(
            f"{path} changes the boxes with the image, but predictions are compared with those of "
            "the image as it is on disk; put LoadAnnotations behind Resize and Pad, right before "
            "PackDetInputs."
        )
