"""Objects and names from what a config says; what has no meaning is said in one sentence."""

import numpy as np
import pytest
import torch
from mmdet.datasets import CocoDataset
from mmengine.config import Config
from mmengine.registry import TRANSFORMS, init_default_scope
from torch import nn

from ads_det.engine.build import find_class, find_function
from ads_det.engine.config_parts import build_part, named
from ads_det.engine.datasets import class_names, dataset_class, pool_config
from ads_det.engine.dry_optimisers import check_optimisers
from ads_det.engine.foreign_config import class_names as names_of_detector
from ads_det.engine.foreign_config import foreign_config
from ads_det.engine.model_config import classifiers_in
from ads_det.engine.run_settings import changed_workers
from ads_det.errors import ADSError
from ads_det.registry import MODELS, STRATEGIES

NO_TYPES = ("", ".x", "a..b", "nothing", "os.nothing")  # mmengine raises what it likes for some


@pytest.fixture(autouse=True)
def scope():
    init_default_scope("mmdet")


@pytest.mark.parametrize("name", NO_TYPES)
def test_types_that_there_are_not(name):
    with pytest.raises(ADSError, match=r"strategy.type is '.*'; use one of .*ads_det.Entropy"):
        find_class(STRATEGIES, name, "strategy")
    with pytest.raises(ADSError, match="prepare.type is '.*', which is no registered function"):
        find_function(name, "prepare")
    with pytest.raises(ADSError, match="pipeline.type is '.*', which is no known transform"):
        build_part(TRANSFORMS, dict(type=name), "pipeline")
    assert dataset_class(dict(type=name)) is None and class_names(dict(type=name)) == []
    assert classifiers_in(dict(bbox_head=dict(type=name, num_classes=3))) == 1


def test_a_class_may_stand_in_the_place_of_its_name():
    assert dataset_class(dict(type=CocoDataset)) is CocoDataset
    meta = dict(classes=("cat", "dog"))
    assert class_names(dict(type=CocoDataset, metainfo=meta)) == ["cat", "dog"]
    assert len(class_names(dict(type="CocoDataset"))) == 80


@pytest.mark.parametrize("key", ["pool", "train_dataloader"])
def test_a_data_set_that_is_no_dict(key):
    with pytest.raises(ADSError, match=r"(pool|train_dataloader.dataset) is '3'; it must be a di"):
        pool_config(Config({key: 3}))


@pytest.mark.parametrize("number", [0, 2.0, "two"])
def test_a_number_of_classifiers_without_meaning(number):
    head = dict(type="ads_det.ADSSSDHead", num_classes=3, num_classifiers=number)
    with pytest.raises(ADSError, match=f"num_classifiers is {number}; use a whole number of 1"):
        classifiers_in(dict(bbox_head=head))


def test_a_part_that_is_no_dict():
    with pytest.raises(ADSError, match=r"pipeline\[2\] is 3; it must be a dict of type and argum"):
        build_part(TRANSFORMS, 3, "pipeline[2]")


def negative(prob):
    """A transform that is a function."""
    return [prob]


def test_a_function_may_stand_in_the_place_of_a_class():
    assert build_part(TRANSFORMS, dict(type=negative, prob=0.5), "pipeline[0]") == [0.5]


def test_the_sentence_names_the_part_also_where_numbers_are_arrays():
    with pytest.raises(ADSError, match=r"pipeline\[0\] \(Pad\): .*; correct it"):
        both = dict(size=np.array([8, 8]), size_divisor=np.array([8, 8]))
        build_part(TRANSFORMS, dict(type="Pad", **both), "pipeline[0]")


def test_a_part_deep_in_a_model_of_an_unknown_type():
    model = dict(type="FCOS", backbone=dict(type=""), neck=dict(x=1), bbox_head=dict(x=1))
    words = r"model.backbone \(\): the type '' is unknown; correct it"
    with pytest.raises(ADSError, match=words), named("model", model):
        MODELS.build(model)


class Net(nn.Module):
    """What the optimiser's constructor of mmdet's large models wants to see."""

    def __init__(self):
        super().__init__()
        self.backbone = type("ConvNeXt", (nn.Module,), {})()
        self.backbone.stem = nn.Linear(2, 2)


@pytest.mark.parametrize("constructor", ["LearningRateDecayOptimizerConstructor", None])
def test_each_constructor_of_an_optimiser_has_its_own_keys(constructor):
    decay = dict(decay_rate=0.5, decay_type="layer_wise", num_layers=2)
    wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.1), paramwise_cfg=decay)
    cfg = Config(dict(optim_wrapper=wrapper, train_cfg=dict(max_epochs=3)))
    if constructor is not None:
        cfg.optim_wrapper.constructor = constructor
        check_optimisers(cfg, Net())
    else:
        with pytest.raises(ADSError, match="optim_wrapper.paramwise_cfg.*'?decay_rate"):
            check_optimisers(cfg, Net())


@pytest.mark.parametrize(
    ("cfg", "words"),
    [
        (dict(), "The config has no `model`; use the config the checkpoint was trained with"),
        (dict(model=dict()), "has no `test_dataloader.dataset.pipeline`"),
    ],
)
def test_a_config_that_cannot_rank_images(cfg, words, tmp_path):
    with pytest.raises(ADSError, match=words):
        foreign_config(Config(cfg), tmp_path)


@pytest.mark.parametrize(
    ("dataset", "names"),
    [
        (dict(type="mine.Dataset", metainfo=dict(classes=("cat",))), ["cat"]),
        (dict(type="", metainfo=dict(classes=("cat",))), ["cat"]),
        (dict(type="mine.Dataset"), []),
        (dict(type=CocoDataset, metainfo=dict(classes=("dog",))), ["dog"]),
        (3, []),
        (None, []),
    ],
)
def test_names_of_labels_where_the_checkpoint_has_none(dataset, names, tmp_path):
    path = tmp_path / "bare.pth"
    torch.save(dict(state_dict=dict(weight=torch.ones(1))), path)
    assert names_of_detector(Config(dict(test_dataloader=dict(dataset=dataset))), path) == names


def test_another_number_of_workers_is_said():
    def workers(number):
        return Config(dict(train_dataloader=dict(num_workers=number)))

    assert changed_workers(workers(2), workers(2)) == ""
    assert changed_workers(workers(2), workers(4)).startswith(
        "train_dataloader.num_workers was 2 and is 4 now, so augmentations are drawn otherwise"
    )
