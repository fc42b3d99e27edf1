"""Choosing where there is nothing, too little or nothing sensible to choose from."""

import functools

import numpy as np
import pytest
import torch
from helpers import tiny_config

from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.selection import select_images
from ads_det.active.strategies import Random, Strategy
from ads_det.active.strategies.base import MeasuredStrategy
from ads_det.engine.datasets import candidate_dataset
from ads_det.errors import ADSError
from ads_det.files import write_ids
from ads_det.registry import MODELS


class Own(Strategy):
    """A user's, with a mistake in the utilities that it gives or the positions that it chooses."""

    needs = frozenset()

    def __init__(self, give=np.zeros, choose=None):
        super().__init__()
        self.give, self.chosen = give, choose

    def utilities(self, candidates):
        return self.give(len(candidates.ids))

    def choose(self, candidates, order, budget):
        return order[:budget] if self.chosen is None else self.chosen


class OwnQuery(Own):
    """The same, past the checks of Strategy.query."""

    def query(self, candidates, budget):
        return [candidates.ids[i] for i in self.chosen or range(budget)], self.utilities(candidates)


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


NANS = functools.partial(np.full, fill_value=np.nan)


@pytest.mark.parametrize("kind", [Own, OwnQuery])
@pytest.mark.parametrize(
    ("given", "chosen", "message"),
    [
        (NANS, None, "'000001' is nan"),
        (lambda n: None, None, r"the shape \(\), but there are 3 ids"),
        (lambda n: np.zeros((n, 1)), None, r"the shape \(3, 1\), but"),
        (lambda n: np.zeros(n + 1), None, r"the shape \(4,\), but"),
        (lambda n: np.zeros(n, complex), None, "no real numbers"),
        (np.zeros, [0, 0], "chose 2 images, 1 different candidates among them, where 2 were"),
        (np.zeros, [1], "chose 1 images"),
    ],
)
def test_answers_of_a_strategy_that_are_none(digits, tmp_path, kind, given, chosen, message):
    where = f"of .*candidates.txt cannot be ranked by the strategy {kind.__name__}: .*"
    with pytest.raises(ADSError, match=where + message):
        select(digits, tmp_path, 3, kind(given, chosen), 2)


class Measured(MeasuredStrategy):
    """A user's, with its own way to give what it measured of a batch."""

    def __init__(self, give):
        super().__init__()
        self.give = give

    def measure(self, outputs):
        return self.give(entropy_of(outputs))


def entropy_of(outputs):
    mean = torch.stack([member.detach() for member in outputs.members]).mean(dim=0)
    return (-mean * mean.log()).flatten(1).sum(dim=1)


def measured(digits, tmp_path, give, number=12):
    """Chosen by a model that was drawn, over two batches."""
    cfg = tiny_config(digits)
    ids = candidate_dataset(cfg).image_ids()[:number]
    write_ids(tmp_path / "candidates.txt", ids)
    torch.manual_seed(0)
    model = [MODELS.build(cfg.model)]
    strategy = give if isinstance(give, MeasuredStrategy) else Measured(give)
    return select_images(cfg, tmp_path / "candidates.txt", None, strategy, 2, 0, lambda: model)


def test_what_was_measured_may_be_an_array_a_list_or_memory_that_is_used_again(digits, tmp_path):
    buffer = torch.zeros(8, dtype=torch.float64)

    def reused(values):
        buffer[: len(values)] = values
        return buffer[: len(values)]

    expected = measured(digits, tmp_path, lambda values: values)
    assert len(set(expected.scores)) == 12
    for give in (
        reused,
        lambda v: v.numpy(),
        lambda v: v.tolist(),
        lambda v: (float(x) for x in v),
    ):
        assert measured(digits, tmp_path, give).scores == pytest.approx(expected.scores)


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda values: values[1:], "measured 7 value.s. of a batch of 8 images"),
        (lambda values: values[1:].tolist(), "measured 7 value.s. of a batch of 8 images"),
        (lambda values: values.repeat(2), "measured 16 value.s. of a batch of 8 images"),
        (lambda values: values.sum(), "of the type torch.float32 and the shape .. of 8 images"),
        (lambda values: values + 1j, "of the type torch.complex64"),
        (lambda values: None, "measured None of 8 images"),
        (lambda values: values[:, None].expand(-1, 2), r"the scores have the shape \(12, 2\)"),
        (lambda values: ["a"] * len(values), "no real numbers"),
    ],
)
def test_what_is_measured_must_be_one_value_an_image(digits, tmp_path, give, message):
    with pytest.raises(ADSError, match=f"cannot be ranked by the strategy Measured: .*{message}"):
        measured(digits, tmp_path, give)


class Sorting(Measured):
    def utilities(self, candidates):
        candidates.ids.sort(reverse=True)
        return candidates.values


def test_a_strategy_may_sort_its_list_of_ids(digits, tmp_path):
    expected = measured(digits, tmp_path, lambda values: values)
    found = measured(digits, tmp_path, Sorting(lambda values: values))
    assert found.ids == expected.ids and found.scores.tolist() == expected.scores.tolist()
    assert found.picks == expected.picks


class Answering(Own):
    def query(self, candidates, budget):
        return self.give(candidates.ids[:budget])


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda ids: (set(ids), [0, 0, 0]), "`query` chose {.*return a list of ids, the best"),
        (lambda ids: (ids[0], [0, 0, 0]), "`query` chose '0"),
        (lambda ids: (None, [0, 0, 0]), "`query` chose None"),
        (lambda ids: ids, None),
        (lambda ids: None, "`query` returned None; return the chosen ids and the scores"),
        (lambda ids: ([["a"], ["b"]], [0, 0, 0]), "chose 2 images, 0 different candidates"),
    ],
)
def test_answers_of_a_query_that_are_none(digits, tmp_path, give, message):
    with pytest.raises(ADSError, match=message):
        select(digits, tmp_path, 3, Answering(give), 2)
    generator = Answering(lambda ids: ((i for i in ids), [0, 0, 0]))
    assert len(select(digits, tmp_path, 3, generator, 2).picks) == 2


@pytest.mark.parametrize("chosen", [[0.0, 1.0], ["000001"], 3, [None]])
def test_positions_that_are_no_whole_numbers(digits, tmp_path, chosen):
    with pytest.raises(ADSError, match="strategy Own: `choose` .*; return entries of `order`"):
        select(digits, tmp_path, 3, Own(choose=chosen), 2)


@pytest.mark.parametrize("position", [-1, 3])
def test_positions_that_are_none(digits, tmp_path, position):
    with pytest.raises(ADSError, match=f"it chose the position {position} of 3 candidates"):
        select(digits, tmp_path, 3, Own(choose=[0, position]), 2)


def test_scores_may_be_a_tensor_with_a_gradient(digits, tmp_path):
    own = Own(lambda n: torch.arange(float(n), requires_grad=True))
    assert select(digits, tmp_path, 3, own, 2).scores.tolist() == [0, 1, 2]


def test_classes_that_a_config_names_otherwise_are_refused_before_images_are_read(digits):
    cfg = tiny_config("nowhere", **{"model.bbox_head.num_classes": 9})
    with pytest.raises(ADSError, match="num_classes=9 .*names 10"):
        ActiveLearningLoop(cfg, "w").check()
    turned = dict(classes=tuple(tiny_config(digits).pool.metainfo.classes[::-1]))
    cfg = tiny_config("nowhere", **{"test_dataloader.dataset.metainfo": turned})
    with pytest.raises(ADSError, match="pool.metainfo.classes and test_dataloader.dataset.metainf"):
        ActiveLearningLoop(cfg, "w").check()


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
