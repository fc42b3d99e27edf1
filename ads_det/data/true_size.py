"""Whether labels fit the image that is there."""

from __future__ import annotations

from ads_det.console import say_once
from ads_det.errors import ADSError
from ads_det.labels.sizes import is_swapped, known_size


def true_size(where: str, path: str, stated: tuple[int, int]) -> tuple[int, int]:
    """Width and height of an image as it is loaded.

    Args:
        where: the annotation, for messages.
        path: Path of the image.
        stated: what the annotation says, 0 if nothing; a pixel more or less is rounding.

    Raises:
        ADSError: if the annotation is of an image of another size, so that its boxes would lie
            elsewhere.
    """
    true = known_size(path)
    if 0 in true:
        return stated  # reading it gives the message
    if 0 in stated or max(abs(a - b) for a, b in zip(true, stated)) <= 1:
        return true
    if is_swapped(path, stated, true):
        say_once(f"{where} swaps the width and the height of {path}")
        return true
    raise ADSError(
        f"{where} is for an image of {stated[0]}x{stated[1]} pixels (width, height), but {path} "
        f"has {true[0]}x{true[1]}; restore the original image, or export its labels again."
    )
