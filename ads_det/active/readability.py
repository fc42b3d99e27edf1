"""Images that cannot be read: found before a run needs them, by the main process."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.config import Config
from mmengine.dist import is_main_process

from ads_det.console import say
from ads_det.data.notes import MAX_NAMED, and_more
from ads_det.data.pool_dataset import PoolDataset
from ads_det.data.reduced import say_reduced
from ads_det.distributed import from_main
from ads_det.engine.datasets import test_dataset
from ads_det.errors import ADSError


def unreadable_images(images: PoolDataset, ids: Sequence[str] | None = None) -> list[str]:
    """Images of the pool, or of some of it, to leave out; says which and why, and warns of what is
    lost of those of a whole pool."""
    if ids is None and is_main_process():
        say_reduced(images.image_files())
    found = from_main(lambda: images.unreadable_images(ids))
    reasons = [f"{name} ({why})" for name, why in found.items()]
    if reasons:
        say(
            f"Left out {len(reasons)} image(s) of the pool that cannot be read: "
            + "; ".join(reasons[:MAX_NAMED])
            + and_more(len(reasons) - MAX_NAMED)
        )
    return list(found)


def check_test_images(cfg: Config) -> None:
    """Refuse a test image that cannot be read: every cycle needs it.

    Raises:
        ADSError: names it.
    """
    test = test_dataset(cfg)
    found = from_main(lambda: test.unreadable_images() if test is not None else {})
    for name, why in found.items():
        raise ADSError(
            f"The test image {name!r} cannot be read ({why}); replace it or take it off the "
            "test set."
        )
