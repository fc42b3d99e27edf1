"""What a config cannot mean is said before a run begins, by the key of what is wrong."""

import copy
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
from helpers import tiny_config
from mmdet.models.backbones import ResNet
from mmdet.models.dense_heads import SSDHead
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel

from ads_det.engine.dry_forward import try_step
from ads_det.engine.dry_loaders import check_loaders
from ads_det.engine.dry_run import build_model, check_config
from ads_det.engine.steady_pipelines import check_steady
from ads_det.errors import ADSError

LOAD, PACK = dict(type="LoadImageFromFile"), dict(type="PackDetInputs")
BOXES = dict(type="LoadAnnotations", with_bbox=True)
RESIZE, FLIP = dict(type="Resize", scale=(64, 64)), dict(type="RandomFlip", prob=0.5)
MOSAIC = dict(type="Mosaic", img_scale=(64, 64))
FOLDER = "ads_det.ClassFolderDataset"
SIZES = dict(pool__type=FOLDER, pool__size=32, test_dataloader__dataset__type=FOLDER)


def mixing(steps):
    """A data set that mixes the images of another one, which the pool has."""
    inner = dict(type="ads_det.VOCDataset", data_root="nowhere", pipeline=steps)
    return dict(type="MultiImageMixDataset", dataset=inner, pipeline=[MOSAIC, PACK])


@pytest.fixture(scope="module")
def whole():
    """A config that passes, as plain data; no image of it exists."""
    return tiny_config("nowhere").to_dict()


@pytest.fixture
def changed(whole):
    """The config with some keys changed, those set to `...` taken out."""

    def changed(**options):
        cfg = Config(copy.deepcopy(whole), format_python_code=False)
        for name, value in options.items():
            *parents, key = name.split("__")
            node = cfg
            for parent in parents:
                node = node[int(parent) if isinstance(node, list) else parent]
            if value is ...:
                del node[key]
            else:
                node[key] = value
        return cfg

    return changed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            dict(test_evaluator=None),
            "The config has no `test_evaluator`; test_dataloader, test_cfg",
        ),
        (dict(test_evaluator=[]), "`test_evaluator` is empty; name a metric"),
        (dict(pool__type="mmdet.LVISV1Dataset"), "data set of the pool is a 'mmdet.LVISV1Dataset'"),
        (dict(pool=3), "`pool` is 3; it must be a dict"),
        (dict(randomness=3), "`?randomness`? is 3; it must be a dict"),
        (dict(env_cfg=dict(mp_cfg=3)), "env_cfg.mp_cfg is 3; it must be a dict"),
        (dict(active_learning__prepare="x"), "active_learning.prepare is 'x'; it must be a dict"),
        (
            dict(active_learning__prepare=dict(type="")),
            "prepare.type is '', which is no registered",
        ),
        (dict(active_learning__prepare=dict(type=".x")), "type is '.x', which is no registered"),
        (dict(train_cfg__max_epochs=0), "train_cfg.max_epochs is 0; use a whole number of 1"),
        (dict(train_cfg__val_interval=0.5), "train_cfg.val_interval is 0.5; use a whole number"),
        (dict(optim_wrapper__optimizer=3), "optim_wrapper.optimizer is 3; it must be a dict"),
        (dict(model__neck=[]), "model.neck is empty; it must be a dict of type and arguments"),
        (dict(model__test_cfg=None), "model.test_cfg is missing; give what a prediction needs"),
        (dict(model__test_cfg=3), "model.test_cfg is 3; it must be a dict"),
        (dict(default_hooks__timer="x"), "default_hooks.timer is 'x'; it must be a dict with the"),
        (dict(custom_hooks=[3]), r"custom_hooks\[0\] is 3; it must be a dict with the type"),
        (dict(optim_wrapper__optimizer__lr=float("inf")), "optimizer.lr is infinite"),
        (
            dict(param_scheduler=[dict(type="ExponentialLR", gamma=1e200)]),
            r"param_scheduler\[0\].*learning rate becomes infinite",
        ),
        # misspelt beside the right ones, which a config inherits
        (dict(model__test_cfg__scorethr=0.5), "has the key 'scorethr', which nothing reads; write"),
        (dict(model__train_cfg__pos_wieght=5), "has the key 'pos_wieght', .*; write 'pos_weight'"),
        (
            dict(
                train_dataloader__dataset__filter_cfg=dict(filter_emty_gt=1, filter_empty_gt=True)
            ),
            "filter_cfg has the key 'filter_emty_gt', which nothing reads; write 'filter_empty_gt'",
        ),
        (
            dict(model__test_cfg__nms__iou_thr=0.5),
            "^model.test_cfg.nms.iou_thr: .* no such key; the nearest is .iou_threshold.",
        ),
        # texts count as true
        (dict(randomness__deterministic="yes"), "randomness.deterministic is 'yes'; use True or F"),
        (
            dict(param_scheduler=[dict(type="LinearLR", by_epoch="no")]),
            r"param_scheduler\[0\].by_epoch is 'no'; use True or False",
        ),
        (dict(default_hooks__logger__ignore_last="no"), "logger.ignore_last is 'no'; use True or"),
        (dict(train_dataloader__pin_memory="no"), "_dataloader.pin_memory is 'no'; use True or"),
    ],
)
def test_the_sentence_names_the_key(changed, options, message):
    with pytest.raises(ADSError, match=message):
        check_config(changed(**options))


def test_hooks_and_the_metric_of_the_loop_may_be_left_out(changed):
    check_config(changed(default_hooks__timer=None, active_learning__metric=...))
    with pytest.raises(ADSError, match="active_learning.metric is 'x'"):
        check_config(changed(default_hooks__timer=None, active_learning__metric="x"))


class OwnHead(SSDHead):
    """Reads a setting whose name is nearly that of another one."""

    def _predict_by_feat_single(self, *args, cfg, **kwargs):
        cfg.get("score_thrs")
        return super()._predict_by_feat_single(*args, cfg=cfg, **kwargs)


def test_a_setting_that_the_code_of_the_model_mentions_passes(changed):
    with pytest.raises(ADSError, match="has the key 'score_thrs', which nothing reads"):
        build_model(changed(model__test_cfg__score_thrs=0.5))
    build_model(changed(model__test_cfg__score_thrs=0.5, model__bbox_head__type=OwnHead))


GREY = dict(LOAD, color_type="grayscale")


class OwnSampler:
    """Reads an image to know how many there are."""

    def __init__(self, dataset, seed):
        self.shape = dataset[0]["inputs"].shape


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            dict(train_dataloader__batch_size=0),
            "train_dataloader.batch_size is 0; use a whole numb",
        ),
        (
            dict(train_dataloader__dataset__pipeline=[LOAD, BOXES]),
            "train_dataloader.dataset.pipeline ends without a batch .* with PackDetInputs",
        ),
        (
            dict(train_dataloader__dataset__pipeline=[LOAD, PACK]),
            "train_dataloader.dataset.pipeline loads no labels; add dict",
        ),
        (
            dict(candidate_dataloader__dataset__pipeline=[GREY, PACK]),
            r"images of 1 channel\(s\), but .* of 3; make `color_type`",
        ),
        (
            dict(train_dataloader__drop_last=True, train_dataloader__batch_size=9),
            "drop_last leaves no batch: batch_size is 9, but an epoch has 8 images",
        ),
        (
            dict(test_dataloader__dataset__pipeline=[LOAD, BOXES, RESIZE, PACK]),
            "test_dataloader.dataset.pipeline changes the boxes with the image.*behind Resize",
        ),
        (
            dict(test_dataloader__dataset__pipeline=[LOAD, RESIZE, FLIP, BOXES, PACK]),
            r"test_dataloader.dataset.pipeline\[2\] .RandomFlip. augments the images that",
        ),
        (
            dict(candidate_dataloader__dataset__pipeline=[LOAD, RESIZE, FLIP, PACK]),
            r"candidate_dataloader.dataset.pipeline\[2\] .RandomFlip. augments the images that",
        ),
        (
            dict(test_dataloader__dataset__pipeline=[LOAD, dict(FLIP, prob=0.0), BOXES, PACK]),
            None,
        ),
        (
            dict(train_dataloader__dataset__pipeline=[LOAD, BOXES, MOSAIC, PACK]),
            r"train_dataloader.dataset.pipeline\[2\] .Mosaic. mixes several images; put it into",
        ),
        (
            dict(
                train_dataloader__dataset__pipeline=[
                    *(LOAD, BOXES, dict(MOSAIC, type="CachedMosaic", max_cached_images=4), PACK)
                ]
            ),
            None,
        ),
        (
            dict(train_dataloader__dataset=mixing([LOAD, BOXES, PACK])),
            "dataset.dataset.pipeline packs its images before .*dataset.pipeline mixes them; take",
        ),
        (dict(test_dataloader__dataset__size=3), "dataset.size is 3, but pool.size is None"),
        (SIZES | dict(test_dataloader__dataset__size=16), "size is 16, but pool.size is 32; a mod"),
        (dict(train_dataloader__drop_last=True), None),
        (dict(train_dataloader__sampler=dict(type="ClassAwareSampler")), None),
        (dict(train_dataloader__sampler=dict(type=OwnSampler)), None),
    ],
)
def test_loaders(changed, options, message):
    """Those that need images to be built are left for later."""
    if message is None:
        check_loaders(changed(**options))
    else:
        with pytest.raises(ADSError, match=message):
            check_loaders(changed(**options))


def test_what_mmdet_tests_with_is_no_augmentation(changed):
    """CenterNet's padding, the wrapped pipeline of a data set, and boxes that no metric reads."""
    pad = dict(type="RandomCenterCropPad", test_mode=True)
    check_steady(dict(dataset=dict(pipeline=[pad]), pipeline=[dict(FLIP, prob=0.0)]), "x")
    with pytest.raises(ADSError, match=r"x.dataset.pipeline\[0\] .RandomFlip. augments the images"):
        check_steady(dict(dataset=dict(pipeline=[FLIP])), "x")
    coco = dict(type="CocoMetric", ann_file="labels.json")
    steps = [LOAD, BOXES, RESIZE, PACK]
    check_loaders(changed(test_evaluator=coco, test_dataloader__dataset__pipeline=steps))


def test_a_decoder_of_a_package(changed, monkeypatch):
    """It cannot read the JPEG that the others are tried with."""
    tiff = dict(LOAD, imdecode_backend="tifffile")
    cfg = changed(candidate_dataloader__dataset__pipeline=[tiff, PACK])
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(ADSError, match=r"pipeline\[0\].* needs the package tifffile"):
        check_loaders(cfg)
    package = ModuleType("tifffile")
    package.__spec__ = ModuleSpec("tifffile", None)
    monkeypatch.setitem(sys.modules, "tifffile", package)
    check_loaders(cfg)


def test_a_loss_that_is_not_finite(changed):
    coder = dict(type="DeltaXYWHBBoxCoder", target_stds=[1e-40] * 4)
    with pytest.raises(ADSError, match="The loss of a grey image with one box is not finite"):
        try_step(changed(model__bbox_head__bbox_coder=coder))


class Reads(ResNet):
    """Asks for numbers while it computes."""

    def forward(self, x):
        return super().forward(x / x.max().item())


class Counts(ResNet):
    """Asks for the size of a result that depends on numbers."""

    def forward(self, x):
        return super().forward(x / len(x.nonzero()))


class Whole(BaseModel):
    """A model that has no features by themselves; to try it would end the test."""

    def forward(self, inputs, data_samples=None, mode="tensor"):
        raise AssertionError("tried")


def test_a_model_of_another_kind_is_not_tried(changed):
    try_step(changed(model=dict(type=Whole), method=dict(type="ads_det.Plain")))


class Refuses(BaseMetric):
    """Stops whatever evaluates."""

    def process(self, data_batch, data_samples):
        raise ValueError("it was asked")

    def compute_metrics(self, results):
        return {}


@pytest.mark.parametrize("backbone", [Reads, Counts])
def test_what_cannot_be_counted_is_not_tried(changed, backbone):
    options = dict(
        model__bbox_head__bbox_coder__target_stds=[1e-40] * 4, model__backbone__type=backbone
    )
    try_step(changed(**options))


def test_the_evaluator_is_asked_where_the_test_pipeline_is_an_ordinary_one(changed):
    with pytest.raises(ADSError, match="test_evaluator.*it was asked"):
        try_step(changed(test_evaluator=dict(type=Refuses)))
    erase = dict(type="RandomErasing", n_patches=1, ratio=0.1)
    cfg = changed(test_evaluator=dict(type=Refuses))
    cfg.test_dataloader.dataset.pipeline.insert(1, erase)
    try_step(cfg)
