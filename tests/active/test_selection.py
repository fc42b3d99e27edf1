"""Choosing where there is nothing, too little or nothing sensible to choose from."""

import numpy as np
import pytest
from helpers import tiny_config

from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.selection import select_images
from ads_det.active.strategies import Random, Strategy
from ads_det.engine.datasets import candidate_dataset
from ads_det.errors import ADSError
from ads_det.files import write_ids


class Nan(Strategy):
    """Wants no image in particular, and says so in a wrong way."""

    needs = frozenset()

    def utilities(self, candidates):
        return np.full(len(candidates.ids), np.nan)


def select(digits, tmp_path, number, strategy, budget):
    cfg = tiny_config(digits)
    ids = candidate_dataset(cfg).image_ids()[:number]
    write_ids(tmp_path / "candidates.txt", ids)
    return select_images(cfg, tmp_path / "candidates.txt", None, strategy, budget, 0, list)


def test_more_images_than_there_are_cannot_be_chosen(digits, tmp_path):
    assert len(select(digits, tmp_path, 3, Random(), 3).picks) == 3
    with pytest.raises(
        ADSError, match="candidates.txt lists 2 candidates, fewer than the 3 images"
    ):
        select(digits, tmp_path, 2, Random(), 3)


def test_of_no_images_none_is_chosen(digits, tmp_path):
    selection = select(digits, tmp_path, 0, Random(), 0)
    assert selection.picks == selection.ids == selection.unreadable == []
    assert len(selection.scores) == 0


def test_scores_that_are_no_numbers_name_the_list_and_an_image(digits, tmp_path):
    with pytest.raises(ADSError, match=r"of .*candidates.txt cannot be ranked: .*'000001' is nan"):
        select(digits, tmp_path, 3, Nan(), 2)


def test_first_images_without_an_object_of_the_classes_are_refused(digits, tmp_path):
    """There would be nothing to learn from."""
    classes = dict(classes=("nine",))
    options = {"pool.metainfo": classes, "test_dataloader.dataset.metainfo": classes}
    options |= {"model.bbox_head.num_classes": 1}
    counts = candidate_dataset(tiny_config(digits, **options))
    without = [
        path.stem
        for path in sorted((digits / "Annotations").glob("*.xml"))
        if path.stem in counts.image_ids() and "<name>nine<" not in path.read_text()
    ]
    write_ids(tmp_path / "first.txt", without[:3])
    options["active_learning.initial"] = str(tmp_path / "first.txt")
    with pytest.raises(ADSError, match="None of the 3 initial images has an object of one of the"):
        ActiveLearningLoop(tiny_config(digits, **options), tmp_path / "run").open()
    assert not (tmp_path / "run").exists()
