"""Every config that ships, without data and without network."""

import argparse
import inspect
import json
from pathlib import Path

import pytest
import torch
from mmdet.models.dense_heads import RPNHead
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import METRICS, PARAM_SCHEDULERS
from mmengine.runner import Runner

from ads_det.active.settings import Settings, load_config
from ads_det.active.strategies import VAAL, Entropy, LearnedLoss, Random
from ads_det.arguments import add_common_options, option_values
from ads_det.engine.datasets import (
    candidate_dataset,
    candidate_loader,
    training_dataset,
    unlabeled_dataset,
)
from ads_det.engine.methods import ADS, LL4AL, Plain, build_method
from ads_det.engine.training import check_training
from ads_det.registry import MODELS

CONFIGS = Path(__file__).parents[1] / "configs"
DOCS = CONFIGS.parent / "docs"
ADS300 = CONFIGS / "ssd300_voc_ads.py"
BASELINES = {"random": Random, "entropy": Entropy}

# what Runner.from_cfg reads, except for what the loop sets itself
RUNNER_KEYS = set(inspect.signature(Runner.__init__).parameters) - {
    *("self", "cfg"),
    *("work_dir", "experiment_name", "launcher", "resume", "load_from"),
}
OTHER_RUNNER_KEYS = {"activation_checkpointing", "compile", "efficient_conv_bn_eval", "sync_bn"}
OUR_KEYS = {"active_learning", "candidate_dataloader", "method", "pool", "unlabeled_dataloader"}


@pytest.fixture(params=sorted(CONFIGS.glob("*.py")), ids=lambda path: path.stem)
def cfg(request):
    return load_config(request.param)


def build_model(cfg):
    """The model with random weights."""
    if cfg.model.get("backbone") is not None:
        cfg.merge_from_dict({"model.backbone.init_cfg": None})
    return MODELS.build(cfg.model)


def data_sets(cfg):
    return dict(
        train=training_dataset(cfg, None),
        unlabeled=unlabeled_dataset(cfg, cfg.unlabeled_dataloader.get("dataset", {}), None),
        candidate=candidate_loader(cfg, None)["dataset"],
        test=cfg.test_dataloader.dataset,
    )


def is_classification(cfg):
    return cfg.model.type == "ads_det.ADSClassifier"


def types_in(node):
    """Every type named in a config node, without its scope."""
    if isinstance(node, dict):
        own = {str(node["type"]).rpartition(".")[2]} if "type" in node else set()
        return own.union(*map(types_in, node.values()))
    return set().union(*map(types_in, node)) if isinstance(node, (list, tuple)) else set()


def test_no_top_level_key_does_nothing(cfg):
    assert set(cfg) - RUNNER_KEYS - OTHER_RUNNER_KEYS - OUR_KEYS == set()


def test_active_learning_block_is_accepted(cfg):
    settings = Settings.from_config(cfg)
    settings.check_pool(10**9, settings.initial if isinstance(settings.initial, int) else 1)


def test_method_is_accepted_and_finds_its_classifiers(cfg):
    method = check_training(cfg)
    assert len(build_model(cfg).classifiers()) >= method.min_classifiers
    if isinstance(method, ADS):
        assert any(method.is_due(epoch) for epoch in range(cfg.train_cfg.max_epochs))
        assert method.min_classifiers == 2
    else:
        assert type(method) in (LL4AL, Plain)


def test_model_has_the_classes_of_the_data(cfg):
    classes = candidate_dataset(cfg).metainfo.get("classes")
    modules = [m for m in build_model(cfg).modules() if not isinstance(m, RPNHead)]  # knows one
    sizes = [getattr(module, "num_classes", None) for module in modules]
    sizes = {size for size in sizes if isinstance(size, int) and size > 0}  # -1: a headless VGG
    assert len(sizes) == 1
    if classes is not None:  # a data set may know its classes only when it has been read
        assert sizes == {len(classes)}


def test_pipelines_optimiser_and_metric_build(cfg, tmp_path):
    for dataset in data_sets(cfg).values():
        assert ("pipeline" in dataset) != is_classification(cfg)
        Compose(dataset.get("pipeline", []))
    build_optim_wrapper(build_model(cfg), cfg.optim_wrapper)
    evaluator = cfg.test_evaluator.to_dict()
    if "ann_file" in evaluator.get("metric", {}):  # of COCO, which is read at once
        evaluator["metric"]["ann_file"] = str(tmp_path / "empty.json")
        empty = dict(images=[], annotations=[], categories=[])
        (tmp_path / "empty.json").write_text(json.dumps(empty))
    METRICS.build(evaluator)


def test_unlabelled_images_pass_nothing_that_reads_boxes(cfg):
    for name in ("unlabeled", "candidate"):
        dataset = data_sets(cfg)[name]
        assert dataset["load_annotations"] is False
        found = types_in(dataset.get("pipeline", []))
        assert bool(found) != is_classification(cfg)
        assert not found & {"LoadAnnotations", "MinIoURandomCrop"}, name


# -- the paper's classification experiments -------------------------------------------------

CIFAR = {  # labels in each cycle, as the figures have them, and parameters of the features
    "resnet18_cifar10": (range(1000, 10001, 1000), 11_168_832),
    "resnet18_cifar100": (range(5000, 20001, 2500), 11_168_832),
    "vgg16_cifar10": (range(1000, 10001, 1000), 14_718_912),
}


@pytest.mark.parametrize("name", CIFAR)
def test_cifar_protocol(name):
    cfg = load_config(CONFIGS / f"{name}_ads.py")
    labels, parameters = CIFAR[name]
    settings = Settings.from_config(cfg)
    sizes = [settings.initial + settings.budget * c for c in range(settings.cycles)]
    assert sizes == list(labels)
    assert settings.subset == 10000
    assert all(map(build_method(cfg).is_due, range(1, 200)))
    model = build_model(cfg)
    assert sum(p.numel() for p in model.backbone.parameters()) == parameters
    assert model.data_preprocessor.needs_statistics
    (scheduler,) = cfg.param_scheduler
    assert (cfg.train_cfg.max_epochs, scheduler.milestones, scheduler.gamma) == (200, [160], 0.1)
    sgd = dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=5e-4)
    assert cfg.optim_wrapper.optimizer == sgd
    assert cfg.train_dataloader.batch_size == cfg.unlabeled_dataloader.batch_size == 128


@pytest.mark.parametrize("name", CIFAR)
@pytest.mark.parametrize("baseline", BASELINES)
def test_cifar_baselines_are_plain_with_all_else_equal(name, baseline):
    ads = load_config(CONFIGS / f"{name}_ads.py")
    cfg = load_config(CONFIGS / f"{name}_{baseline}.py")
    assert cfg.model == dict(ads.model, num_classifiers=1)
    assert len(build_model(cfg).classifiers()) == 1
    assert type(build_method(cfg)) is Plain
    assert type(Settings.from_config(cfg).build_strategy()) is BASELINES[baseline]
    assert cfg.active_learning == dict(ads.active_learning, strategy=cfg.active_learning.strategy)
    assert {k for k in ads if ads[k] != cfg[k]} - {"active_learning"} == {"method", "model"}


def published_rows():
    """Table, row, options and numbers of each line that docs/reproduction.md has for a row."""
    table = ""
    for line in (DOCS / "reproduction.md").read_text().splitlines():
        if line.startswith("## "):
            table = line[3:].partition(":")[0]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not table.startswith("Table") or len(cells) != 12:
            continue
        options = cells[1].strip("`")
        if options.startswith("method"):
            yield table, cells[0], options.split(), [float(c) for c in cells[2:]]


def test_each_row_of_tables_1_and_2_is_one_line_of_options():
    published = json.loads((DOCS / "published_results.json").read_text())
    rows = list(published_rows())
    for table in ("Table 1", "Table 2"):
        theirs = [r["y"] for r in published if r["figure_or_table"] == table]
        assert [numbers for name, _, _, numbers in rows if name == table] == theirs
    parser = argparse.ArgumentParser()
    add_common_options(parser)
    found = set()
    for _, _, options, _ in rows:
        given = parser.parse_args(["--cfg-options", *options]).cfg_options
        cfg = load_config(CONFIGS / "resnet18_cifar10_ads.py", option_values(given))
        strategy = Settings.from_config(cfg).build_strategy()
        criterion = getattr(build_method(cfg), "criterion", None)
        criterion = criterion and (criterion.weighting, criterion.rule.entropy_of)
        found.add((len(build_model(cfg).classifiers()), type(strategy), criterion))
    assert found == {
        (1, Random, None),
        (2, Random, ("none", "mean")),
        (2, Entropy, ("none", "mean")),
        (2, Entropy, ("calibration", "mean")),
        *((2, Entropy, ("entropy", of)) for of in ("mean", "max", "min")),
    }


# -- the paper's detection experiment -------------------------------------------------------


def test_ssd300_has_8732_anchors():
    model = build_model(load_config(ADS300)).eval()
    priors = model.bbox_head.prior_generator
    anchors = priors.grid_priors([(n, n) for n in (38, 19, 10, 5, 3, 1)], device="cpu")
    assert sum(map(len, anchors)) == 8732
    with torch.inference_mode():
        y1, y2 = model(torch.zeros(1, 3, 300, 300), mode="outputs").members
    assert y1.shape == y2.shape == (1, 8732, 20)


def test_ssd300_has_30_ads_epochs_among_150():
    cfg = load_config(ADS300)
    hook = build_method(cfg)
    assert cfg.train_cfg.max_epochs == 150
    assert [e for e in range(150) if hook.is_due(e)] == list(range(1, 150, 5))
    assert sum(map(hook.is_due, range(1000))) == 30


def test_ssd300_learning_rate_warms_up_and_falls_once():
    cfg = load_config(ADS300)
    model = torch.nn.Linear(1, 1)
    optim = build_optim_wrapper(model, cfg.optim_wrapper)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(s), default_args=dict(optimizer=optim))
        for s in cfg.param_scheduler
    ]
    optim.optimizer.step()
    rates = []
    for _ in range(150):
        for _ in range(32):  # iterations of 1,000 images
            rates.append(optim.get_lr()["lr"][0])
            schedulers[0].step()
        schedulers[1].step()
    assert rates[0] == pytest.approx(1e-6)
    assert rates[300] == rates[120 * 32 - 1] == pytest.approx(1e-3)
    assert rates[120 * 32] == rates[-1] == pytest.approx(1e-4)


@pytest.mark.parametrize("name", BASELINES)
def test_ssd300_baselines_are_plain_ssd_with_all_else_equal(name):
    ads, cfg = load_config(ADS300), load_config(CONFIGS / f"ssd300_voc_{name}.py")
    head = build_model(cfg).bbox_head
    assert len(head.classifiers()) == 1
    assert head.cls_out_channels == 20  # the loss is that of ADS
    assert type(build_method(cfg)) is Plain
    assert type(Settings.from_config(cfg).build_strategy()) is BASELINES[name]
    block = dict(ads.active_learning, strategy=cfg.active_learning.strategy)
    assert cfg.active_learning == block
    assert {k for k in ads if ads[k] != cfg[k]} - {"active_learning"} == {"method", "model"}


LL4AL_STOP = {"resnet18_cifar10": 120, "resnet18_cifar100": 120, "vgg16_cifar10": 120}
LL4AL_STOP |= {"ssd300_voc": 120}  # of 150


@pytest.mark.parametrize("name", LL4AL_STOP)
def test_ll4al_is_the_plain_baseline_with_a_loss_predictor(name):
    plain = load_config(CONFIGS / f"{name}_random.py")
    cfg = load_config(CONFIGS / f"{name}_ll4al.py")
    method = build_method(cfg)
    assert type(method) is LL4AL
    assert round(method.stop * cfg.train_cfg.max_epochs) == LL4AL_STOP[name]
    assert type(Settings.from_config(cfg).build_strategy()) is LearnedLoss
    assert {k for k in plain if plain[k] != cfg[k]} == {"active_learning", "method"}
    block = dict(plain.active_learning, strategy=cfg.active_learning.strategy)
    assert cfg.active_learning == block


@pytest.mark.parametrize("name", ["resnet18_cifar10", "ssd300_voc"])
def test_vaal_is_the_plain_baseline_with_another_selection(name):
    plain = load_config(CONFIGS / f"{name}_random.py")
    cfg = load_config(CONFIGS / f"{name}_vaal.py")
    assert type(Settings.from_config(cfg).build_strategy()) is VAAL
    assert {k for k in plain if plain[k] != cfg[k]} == {"active_learning"}
    block = dict(plain.active_learning, strategy=cfg.active_learning.strategy)
    assert cfg.active_learning == block


def test_ssd300_with_ssds_own_loss_differs_in_the_loss_alone():
    one = load_config(CONFIGS / "ssd300_voc_random.py")
    cfg = load_config(CONFIGS / "ssd300_voc_softmax.py")
    assert {k for k in cfg if cfg[k] != one[k]} == {"model"}
    head = dict(one.model.bbox_head, activation="softmax", prior=None)
    assert cfg.model == dict(one.model, bbox_head=head)
    assert build_model(cfg).bbox_head.cls_out_channels == 21


def test_ssd300_with_the_epochs_of_the_literature_has_as_many_ads_epochs():
    hook = build_method(load_config(CONFIGS / "ssd300_voc_ads_300.py"))
    assert [e for e in range(300) if hook.is_due(e)] == list(range(1, 300, 10))


def test_the_preset_of_the_published_code_decays_in_both_phases():
    cfg = load_config(CONFIGS / "resnet18_cifar10_official_code.py")
    decay = cfg.optim_wrapper.optimizer.weight_decay
    for phase in ("agreement", "discrepancy"):
        assert cfg.method[phase].optimizer == dict(type="SGD", lr=0.1, weight_decay=decay)


def checkpoint(*command_line):
    parser = argparse.ArgumentParser()
    add_common_options(parser)
    cfg = load_config(ADS300, option_values(parser.parse_args(command_line).cfg_options))
    return cfg.model.backbone.init_cfg and cfg.model.backbone.init_cfg.checkpoint


def test_ssd300_weights_by_default_from_a_file_or_none(monkeypatch):
    monkeypatch.delenv("ADS_DET_VGG16", raising=False)
    assert checkpoint() == "open-mmlab://vgg16_caffe"
    monkeypatch.setenv("ADS_DET_VGG16", "/my weights/vgg16_caffe-1.pth")
    assert checkpoint() == "/my weights/vgg16_caffe-1.pth"
    assert checkpoint("--cfg-options", "model.backbone.init_cfg=None") is None
