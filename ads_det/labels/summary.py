"""Labels in a few words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ads_det.labels.boxes import ImageLabels


def count_boxes(images: Iterable[ImageLabels]) -> str:
    """Such as ``12 boxes (cat 7, dog 5), 1 image checked without an object``."""
    images = list(images)
    boxes = Counter(box.name for image in images for box in image.boxes)
    named = ", ".join(f"{name} {count}" for name, count in sorted(boxes.items()))
    text = f"{sum(boxes.values())} boxes" + (f" ({named})" if named else "")
    empty = sum(1 for image in images if not image.boxes)
    return text + (f", {empty} image(s) checked without an object" if empty else "")
