"""The picture of what a cycle chose, with the reason and what the model proposes."""

from __future__ import annotations

from ads_det.active.settings import Settings
from ads_det.active.strategies import Strategy
from ads_det.data.pool_dataset import PoolDataset
from ads_det.files import write_atomic
from ads_det.labels.coco import read_coco
from ads_det.report.gallery import plot_picks
from ads_det.work_files import CycleFiles


def draw_picks(
    files: CycleFiles,
    settings: Settings,
    images: PoolDataset,
    scores: dict[str, float],
    background: bool = False,
) -> None:
    """Write ``picks.png``, unless boxes for people are still to be proposed.

    Args:
        files: Files of a cycle whose selection is finished.
        settings: Run settings.
        images: the pool.
        scores: score of each pick.
        background: whether the model has the background as a class.
    """
    if settings.oracle == "human" and not files.proposals.exists():
        return
    picks = files.picks()
    classes = list(getattr(images, "metainfo", {}).get("classes") or ())
    turns = turns_of(settings.build_strategy(), classes, len(picks), background)
    proposed = read_coco(files.proposals) if files.proposals.exists() else []
    write_atomic(
        files.picks_picture,
        lambda file: plot_picks(
            picks,
            images.open_image,
            scores,
            file,
            boxes={image.image: image for image in proposed},
            reasons=turns,
        ),
    )


def turns_of(
    strategy: Strategy, classes: list[str], number: int, background: bool = False
) -> list[str]:
    """Which class's turn each pick was, where the classes take turns; else nothing.

    Args:
        strategy: Strategy that chose the images.
        classes: their names.
        number: Number of picks.
        background: whether the background takes its turn, too, after the classes.
    """
    if not strategy.classes_take_turns or not classes:
        return []
    background = background and not getattr(strategy, "background", False)  # it takes that out
    names = [*classes, *(["background"] if background else [])]
    return [names[i % len(names)] for i in range(number)]
