"""What a method may add, what a strategy may learn, several members and several passes."""

import copy
import itertools
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import (
    build_classifier,
    build_detector,
    classification_batch,
    classifier_config,
    detection_batch,
    tiny_classification_config,
    tiny_config,
)
from retina_models import build_retina, tiny_retina_config

from ads_det.active.checks import check_strategies
from ads_det.active.cycle import Cycle
from ads_det.active.fit_stage import FitStage
from ads_det.active.fitting import fit_strategy, load_fitted
from ads_det.active.initial import choose_initial
from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.pool import Pool
from ads_det.active.scoring import ensemble_of, measure_images
from ads_det.active.settings import Settings
from ads_det.active.strategies import Extra, Strategy
from ads_det.active.strategies.base import MeasuredStrategy
from ads_det.core.outputs import BOXES, FEATURES, INPUTS, MEMBERS, Outputs
from ads_det.engine.datasets import candidate_dataset, candidate_loader
from ads_det.engine.methods import Plain, build_method
from ads_det.errors import ADSError
from ads_det.files import write_ids
from ads_det.registry import DATASETS, METHODS, STRATEGIES
from ads_det.work_files import CycleFiles, SelectionFiles


@STRATEGIES.register_module()
class Disagreement(MeasuredStrategy):
    """Variance over the members, summed in a stream."""

    min_members, passes = 2, 3

    def accumulator(self):
        return _Variance()


class _Variance:
    def __init__(self):
        self.count, self.total, self.squares = 0, 0.0, 0.0

    def add(self, outputs):
        for y in outputs.members:
            self.count += 1
            self.total, self.squares = self.total + y, self.squares + y.square()

    def result(self):
        mean = self.total / self.count
        variance = self.squares / self.count - mean.square()
        return variance.flatten(1).mean(dim=1)


@STRATEGIES.register_module()
class FarFromLabeled(Strategy):
    """Learns the mean colour of the labelled images; far from it is wanted."""

    needs, fits = frozenset({INPUTS}), True

    def fit(self, stage):
        self.draw = torch.rand(1)  # the stage's random state
        batches = stage.labeled_images(batch_size=3)
        means = [torch.stack(list(b["inputs"])).float().mean() for b in batches]
        candidates = sum(len(b["inputs"]) for b in stage.candidate_images(batch_size=5))
        assert next(stage.load_models()[0].parameters()) is not None
        layer = torch.nn.Linear(1, 1)
        assert stage.wrap(layer) is layer  # of one process
        return dict(mean=torch.stack(means).mean(), draw=self.draw, candidates=candidates)

    def load_fitted(self, state):
        self.mean = state["mean"]

    def measure(self, outputs):
        return (outputs.inputs.flatten(1).mean(dim=1) - self.mean).abs()

    def utilities(self, candidates):
        return candidates.values


@STRATEGIES.register_module()
class CountBoxes(Strategy):
    """A list of boxes of each image, which only the choice looks at."""

    needs = frozenset({BOXES})

    def measure(self, outputs):
        return [image.features.numpy() for image in outputs.boxes]

    def utilities(self, candidates):
        assert all(item.shape[1] == 16 for item in candidates.values)
        return np.array([len(item) for item in candidates.values], float)


def texts(work_dir):
    files = [p for p in work_dir.rglob("*") if p.suffix in (".csv", ".txt")]
    return {str(p.relative_to(work_dir)): p.read_text() for p in files if p.name != "history.csv"}


def classification(**options):
    return tiny_classification_config(**{"active_learning.cycles": 2} | options)


# -- passes -----------------------------------------------------------------------------------


def test_scores_of_passes_depend_neither_on_batches_nor_on_the_time():
    model = build_classifier(dropout=0.5)
    cfg = classification()
    scores = []
    for batch_size in (256, 100):
        torch.manual_seed(batch_size)  # whatever was drawn before
        cfg.candidate_dataloader.batch_size = batch_size
        loader = candidate_loader(cfg, None)
        measured = measure_images([model], loader, frozenset({MEMBERS}), _Variance, [5, 6, 7])
        scores.append(measured.values)
    assert np.allclose(*scores, rtol=1e-5)
    one = measure_images([model], loader, frozenset({MEMBERS}), _Variance, [5, 5, 5]).values
    assert not np.allclose(scores[0], one, rtol=0.01)


def test_passes_share_the_features_and_differ_in_the_mask():
    model, calls = build_classifier(dropout=0.5).eval(), []
    model.backbone.register_forward_hook(lambda *_: calls.append(1))
    inputs = torch.rand(4, 3, 8, 8)
    with torch.no_grad():
        passes = list(model.passes(inputs, None, frozenset({MEMBERS}), [1, 2, 1]))
        (without,) = model.passes(inputs, None, frozenset({MEMBERS}))
    assert len(calls) == 2
    first, second, third = (p.members[0] for p in passes)
    assert torch.equal(first, third) and not torch.equal(first, second)
    assert not torch.equal(first, without.members[0])


def test_passes_without_dropout_are_refused():
    model = build_classifier()
    with pytest.raises(ADSError, match="no dropout"):
        next(model.passes(torch.rand(2, 3, 8, 8), None, frozenset({MEMBERS}), [1, 2]))


# -- members ----------------------------------------------------------------------------------


def test_members_are_trained_resumed_and_measured_together(tmp_path, monkeypatch):
    options = {"method": dict(type="ads_det.Plain", members=2)}
    options |= {"model.num_classifiers": 1, "model.dropout": 0.2}
    options |= {"active_learning.strategy": dict(type="Disagreement")}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    ActiveLearningLoop(classification(**options), whole).run()
    files = [whole / "cycle_00" / f"member_{j}" / "model.pth" for j in (0, 1)]
    metrics = json.loads((whole / "cycle_00/metrics.json").read_text())["metrics"]
    assert {"mean/accuracy", "member_0/mean/accuracy"} <= metrics.keys()
    first, second = (torch.load(p, weights_only=True)["state_dict"] for p in files)
    assert not torch.equal(first["heads.0.weight"], second["heads.0.weight"])
    assert not (whole / "cycle_00/model.pth").exists()
    original = Cycle._training_config

    def stop(self, member, model):
        if member == 1:
            raise KeyboardInterrupt
        return original(self, member, model)

    with monkeypatch.context() as patch:
        patch.setattr(Cycle, "_training_config", stop)
        with pytest.raises(KeyboardInterrupt):
            ActiveLearningLoop(classification(**options), cut).run()
    assert (cut / "cycle_00/member_0/model.pth").exists()
    ActiveLearningLoop(classification(**options), cut, resume=True).run()
    assert texts(cut) == texts(whole)
    files[0].unlink()  # as a disk may lose it: trained again, whichever member it was
    ActiveLearningLoop(classification(**options), whole, resume=True).run()
    again = torch.load(files[0], weights_only=True)["state_dict"]
    assert all(torch.equal(again[name], value) for name, value in first.items())


def test_members_predict_by_their_mean():
    models = [build_retina(seed).eval() for seed in (1, 2)]
    data = models[0].data_preprocessor(detection_batch(), False)
    with torch.no_grad():
        alone = [m(**copy.deepcopy(data), mode="predict")[0].pred_instances for m in models]
        together = ensemble_of(models)(**copy.deepcopy(data), mode="predict")[0].pred_instances
        same = ensemble_of([models[0]] * 2)(**copy.deepcopy(data), mode="predict")
    assert torch.allclose(same[0].pred_instances.scores, alone[0].scores, atol=1e-5)
    assert together.scores.max() < max(one.scores.max() for one in alone)
    classifiers = [build_classifier(seed).eval() for seed in (1, 2)]
    batch = classifiers[0].data_preprocessor(classification_batch(), False)
    with torch.no_grad():
        predicted = ensemble_of(classifiers)(**batch, mode="predict")[0].pred_mean
        each = [m(**batch, mode="predict")[0].pred_mean for m in classifiers]
    assert torch.allclose(predicted, sum(each) / 2)


def test_an_extra_of_the_method_ranks_and_an_unknown_one_is_refused():
    values = torch.tensor([[1.0, 4.0, 3.0], [0.0, 9.0, 0.0]])
    assert Extra("loss", topk=2).measure(Outputs(extras={"loss": values})).tolist() == [3.5, 4.5]
    with pytest.raises(ADSError, match="needs 'loss' .* does not give"):
        next(build_classifier().passes(torch.rand(2, 3, 8, 8), None, Extra("loss").needs))


@pytest.mark.parametrize(
    ("kind", "attribute", "value"),
    [
        (Disagreement, "needs", "members"),
        (Disagreement, "needs", ["members"]),
        (Plain, "provides", ["x"]),
        (Plain, "members", 2.5),
    ],
)
def test_what_an_own_class_says_of_itself_wrongly(monkeypatch, kind, attribute, value):
    """Where a class of a user has it, no argument's check sees it."""

    class Own(kind):
        def __init__(self):
            super().__init__()
            setattr(self, attribute, value)

    (METHODS if kind is Plain else STRATEGIES).register_module(module=Own, name="Own", force=True)
    block = {"method": "Own"} if kind is Plain else {"active_learning.strategy": dict(type="Own")}
    cfg = classification(**block)
    with pytest.raises(ADSError, match=f"Own.{attribute} is .*; use "):
        check_strategies(Settings.from_config(cfg), cfg, build_method(cfg))


def test_too_few_predictions_are_refused_before_any_work(tmp_path, monkeypatch):
    options = {"model.num_classifiers": 1, "method": "ads_det.Plain"}
    options |= {"active_learning.strategy": dict(type="Disagreement")}
    monkeypatch.setattr(Disagreement, "passes", 1)
    with pytest.raises(ADSError, match=r"strategy \(Disagreement\) compares at least 2"):
        ActiveLearningLoop(classification(**options), tmp_path).open()


# -- a stage that learns ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def learnt(digits, tmp_path_factory):
    """A run of a strategy that learns, and its options."""
    options = {"active_learning.cycles": 2}
    options |= {"active_learning.strategy": dict(type="FarFromLabeled")}
    work_dir = tmp_path_factory.mktemp("learnt") / "run"
    ActiveLearningLoop(tiny_config(digits, **options), work_dir).run()
    return work_dir, options


def test_a_strategy_learns_between_evaluation_and_scoring(learnt):
    folder = learnt[0] / "cycle_00"
    state = torch.load(folder / "sampler.pth", weights_only=True)
    assert state["candidates"] == 36
    assert list(json.loads((folder / "seconds.json").read_text())) == [
        *("lists", "train", "evaluate", "fit", "select")
    ]
    assert len((folder / "picks.txt").read_text().split()) == 4


@pytest.mark.parametrize("gone", [("picks.txt",), ("picks.txt", "sampler.pth")])
def test_a_run_cut_in_the_stage_ends_the_same(learnt, digits, tmp_path, gone):
    work_dir, options = learnt
    shutil.copytree(work_dir, tmp_path / "run")
    for name in ("pool.json", "cycle_01"):
        target = tmp_path / "run" / name
        shutil.rmtree(target) if target.is_dir() else None
    pool = json.loads((tmp_path / "run/pool.json").read_text())
    pool["images"] = {k: -1 if v == 1 else v for k, v in pool["images"].items()}
    (tmp_path / "run/pool.json").write_text(json.dumps(pool))
    for name in gone:
        (tmp_path / "run/cycle_00" / name).unlink()
    ActiveLearningLoop(tiny_config(digits, **options), tmp_path / "run", resume=True).run()
    assert texts(tmp_path / "run") == texts(work_dir)
    states = [d / "cycle_00/sampler.pth" for d in (work_dir, tmp_path / "run")]
    first, second = (torch.load(p, weights_only=True) for p in states)
    assert first == second


@STRATEGIES.register_module()
class Spoiling(MeasuredStrategy):
    """Does to the models what a fit may do by mistake, such as to train them on."""

    fits = True

    def fit(self, stage):
        for parameter in stage.load_models()[0].parameters():
            parameter.data.zero_()
        return {}

    def load_fitted(self, state):
        pass

    def measure(self, outputs):
        return outputs.members[0].flatten(1).amax(dim=1)


def test_what_a_fit_does_to_the_models_does_not_reach_the_scores(digits, tmp_path):
    """A run that goes on after the fit would read them from disk."""
    options = {"active_learning.cycles": 2, "active_learning.strategy": dict(type="Spoiling")}
    ActiveLearningLoop(tiny_config(digits, **options), tmp_path / "run").run()
    assert len({*CycleFiles(tmp_path / "run/cycle_00").scores().values()}) > 30


@pytest.mark.parametrize("state", [Path("x"), dict(a=lambda: 0), dict(a=object())])
def test_what_is_learnt_is_made_of_tensors_and_plain_data(tmp_path, state):
    strategy = FarFromLabeled()
    strategy.fit = lambda stage: state
    with pytest.raises(ADSError, match="`fit` of the strategy FarFromLabeled returned .*a dict of"):
        fit_strategy(strategy, SimpleNamespace(seed=0), tmp_path / "sampler.pth")
    assert not list(tmp_path.iterdir())


def test_arrays_may_be_learnt(tmp_path):
    strategy = FarFromLabeled()
    strategy.fit = lambda stage: dict(mean=np.ones(3), number=np.float64(2))
    fit_strategy(strategy, SimpleNamespace(seed=0), tmp_path / "sampler.pth")
    load_fitted(strategy, tmp_path / "sampler.pth")
    assert strategy.mean.tolist() == [1, 1, 1]


def test_what_was_learnt_by_another_strategy_is_refused(tmp_path):
    torch.save(dict(other=1), tmp_path / "sampler.pth")
    with pytest.raises(ADSError, match="not what FarFromLabeled learnt"):
        load_fitted(FarFromLabeled(), tmp_path / "sampler.pth")


def test_no_label_of_the_pool_is_read_by_the_stage(learnt, digits, tmp_path):
    work_dir, options = learnt
    root = tmp_path / "digits"
    shutil.copytree(digits, root)
    pool = json.loads((work_dir / "pool.json").read_text())["images"]
    for name in (name for name, cycle in pool.items() if cycle < 0):
        (root / "Annotations" / f"{name}.xml").unlink()
    options = options | {"pool.data_root": str(root)}
    options |= {"test_dataloader.dataset.data_root": str(root)}
    ActiveLearningLoop(tiny_config(digits, **options), tmp_path / "run").run()
    assert texts(tmp_path / "run") == texts(work_dir)


@STRATEGIES.register_module()
class FarFromMean(FarFromLabeled):
    """Learns the mean colour of the candidates."""

    def fit(self, stage):
        images = [x.float() for b in stage.candidate_images(batch_size=500) for x in b["inputs"]]
        return dict(mean=torch.stack(images).mean())


def first_images(strategy, folder):
    """What a strategy chooses of the pool before anything is labelled."""
    cfg = classification(**{"active_learning.initial_strategy": dict(type=strategy)})
    pool = Pool(candidate_dataset(cfg).image_ids())
    files = SelectionFiles(folder)
    return cfg, files, choose_initial(cfg, Settings.from_config(cfg), pool, 3, files)[0]


def test_a_strategy_that_learns_from_candidates_may_choose_the_first_images(tmp_path):
    cfg, files, chosen = first_images("FarFromMean", tmp_path)
    mean = torch.load(files.fitted, weights_only=True)["mean"]
    data = DATASETS.build(dict(candidate_loader(cfg, None)["dataset"]))
    colours = data.__getitems__(list(range(len(data))))["inputs"].float().mean(dim=(1, 2, 3))
    assert mean == pytest.approx(float(colours.mean()), rel=1e-5)
    assert len(chosen) == 20 and chosen == list(files.scores())[:20]
    ids = [data.get_data_info(i)["img_id"] for i in range(len(data))]
    far = dict(zip(ids, (colours - mean).abs().tolist(), strict=True))
    assert min(far[name] for name in chosen) >= max(far[name] for name in {*ids} - {*chosen})
    assert dict(files.scores()) == pytest.approx(far, abs=1e-3)


def test_a_strategy_that_learns_from_labels_cannot_choose_the_first_images(tmp_path):
    with pytest.raises(ADSError, match="labelled images, of which there are none yet; let another"):
        first_images("FarFromLabeled", tmp_path)


def test_repeated_batches_are_as_many_as_asked_for_and_the_same_again(tmp_path):
    cfg, path = classification(), tmp_path / "ids.txt"
    ids = candidate_dataset(cfg).image_ids()[:6]
    write_ids(path, ids)
    stage = FitStage(cfg, None, path, 3, lambda: [build_classifier()])
    first, again = (list(stage.repeated(4, 3, labeled=False)) for _ in range(2))
    assert sorted(name for names, _ in first for name in names) == sorted(ids * 2)
    assert [tuple(images.shape) for _, images in first] == [(4, 3, 8, 8)] * 3
    assert [names for names, _ in again] == [names for names, _ in first]


def test_items_of_images_that_broke_are_left_out_as_numbers_are(digits, tmp_path):
    """Four of four images were asked for; the second cannot be read."""
    root = tmp_path / "digits"
    shutil.copytree(digits, root)
    cfg = tiny_config(root)
    ids = candidate_dataset(cfg).image_ids()[:4]
    (root / "JPEGImages" / f"{ids[1]}.jpg").write_bytes(b"no image")
    write_ids(tmp_path / "ids.txt", ids)
    loader, model = candidate_loader(cfg, tmp_path / "ids.txt"), build_detector()

    def measure(as_items):
        class Colour(MeasuredStrategy):
            needs = frozenset({INPUTS})

            def measure(self, outputs):
                found = outputs.inputs.flatten(1).mean(dim=1)
                return [f"{value:.4f}" for value in found] if as_items else found

        strategy = Colour()
        return measure_images([model], loader, strategy.needs, strategy.accumulator)

    items, numbers = measure(True), measure(False)
    assert items.ids == numbers.ids == [ids[0], *ids[2:]] and items.unreadable == [ids[1]]
    assert items.values == [f"{value:.4f}" for value in numbers.values]


# -- boxes, and another detector ----------------------------------------------------------------


@pytest.mark.slow
def test_retina_through_both_phases_with_a_strategy_of_boxes(digits, tmp_path):
    """Two cycles; the same without the pool's labels, and cut in the middle of a training."""
    options = {"active_learning.cycles": 2, "method.positive_filter": "predicted"}
    options |= {"active_learning.strategy": dict(type="CountBoxes")}
    whole = tmp_path / "whole"
    history = ActiveLearningLoop(tiny_retina_config(digits, **options), whole).run()
    assert [row.labeled_images for row in history.rows] == [4, 8]
    log = "".join(p.read_text() for p in (whole / "cycle_01/train").glob("*/*.log"))
    assert "agreement: loss" in log and "discrepancy: loss" in log

    root = tmp_path / "digits"
    shutil.copytree(digits, root)
    pool = json.loads((whole / "pool.json").read_text())["images"]
    for name in (name for name, cycle in pool.items() if cycle < 0):
        (root / "Annotations" / f"{name}.xml").unlink()
    options |= {"pool.data_root": str(root), "test_dataloader.dataset.data_root": str(root)}
    cut = tmp_path / "cut"
    cfg = tiny_retina_config(digits, **options)
    cfg.custom_hooks = [dict(type="ads_det.FiniteLossHook", priority="VERY_LOW")]
    with pytest.MonkeyPatch.context() as patch:
        epochs = itertools.count()

        def stop(self, runner):
            if next(epochs) == 4:
                raise KeyboardInterrupt

        patch.setattr("ads_det.engine.hooks.EpochSeedHook.after_train_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            ActiveLearningLoop(cfg, cut).run()
    assert list((cut / "cycle_01/train").glob("epoch_*.pth"))
    ActiveLearningLoop(cfg, cut, resume=True).run()
    assert texts(cut) == texts(whole)
    for number in (0, 1):
        paths = [d / f"cycle_{number:02d}/model.pth" for d in (whole, cut)]
        one, other = (torch.load(p, weights_only=True)["state_dict"] for p in paths)
        assert all(torch.equal(one[k], other[k]) for k in one)


def test_features_and_dropout_are_what_a_config_says():
    assert build_classifier().provides == {MEMBERS, FEATURES, INPUTS}
    with pytest.raises(ADSError, match="dropout is 1"):
        build_classifier(**classifier_config(dropout=1))
