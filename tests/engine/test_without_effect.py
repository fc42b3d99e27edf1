"""What would do nothing, leave images out or break a resume is refused before a run."""

from types import SimpleNamespace

import pytest
import torch
from helpers import tiny_classification_config, tiny_config
from mmengine.config import Config
from mmengine.runner import Runner

from ads_det.engine.dry_forward import try_step
from ads_det.engine.dry_run import check_config
from ads_det.engine.methods import ADS
from ads_det.engine.pretrained import check_pretrained
from ads_det.engine.ranges import check_ranges
from ads_det.engine.training import check_training
from ads_det.errors import ADSError

VOC = dict(type="VOCMetric", metric="mAP", eval_mode="11points")
LOAD = dict(type="LoadImageFromFile")
LABELS = dict(type="LoadAnnotations", with_bbox=True)
STEPS = [LOAD, LABELS, dict(type="PackDetInputs")]
SWITCH = dict(type="PipelineSwitchHook", switch_epoch=1, switch_pipeline=STEPS)
SAMPLER = dict(type="ads_det.FixedLengthSampler", num_samples=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        # a resume would begin anew, or with another learning rate
        ({"default_hooks.checkpoint.save_optimizer": False}, "checkpoint.save_optimizer is False"),
        ({"default_hooks.checkpoint.save_param_scheduler": False}, "save_param_scheduler is False"),
        ({"default_hooks.checkpoint.by_epoch": False}, "checkpoint.by_epoch is False"),
        (
            {"default_hooks.checkpoint.filename_tmpl": "x_{}.pth"},
            "filename_tmpl is 'x_{}.pth', wit",
        ),
        ({"default_hooks.checkpoint.out_dir": "/elsewhere"}, "out_dir is '/elsewhere'"),
        ({"default_hooks.param_scheduler": None}, "param_scheduler is None, but a training needs"),
        ({"custom_hooks": [dict(type="EarlyStoppingHook", monitor="x")]}, "waits for validations"),
        # what trains otherwise than it says, or stops in the middle
        (
            {"default_hooks.param_scheduler": dict(type="IterTimerHook")},
            "param_scheduler.type is IterTimerHook, but a training needs a ParamSchedulerHook",
        ),
        (
            {"custom_hooks": [dict(type="ParamSchedulerHook")]},
            r"custom_hooks\[0\] \(Par.* would do once more what default_hooks.param_scheduler does",
        ),
        (
            {"default_hooks.chekpoint": dict(type="CheckpointHook")},
            "default_hooks.chekpoint .*what default_hooks.checkpoint does",
        ),
        ({"default_hooks.loger": dict(interval=3)}, "'loger', which nothing reads; write 'logger'"),
        ({"default_hooks.visualization": None}, "visualization is None, but there is no default"),
        ({"custom_hooks": [dict(type="EMAHook", momentum=5)]}, r"custom_hooks\[0\].*momentum must"),
        ({"custom_hooks": [dict(type="EMAHook", begin_epoch=9)]}, r"\(EMAHook\).*max_epochs: \d"),
        ({"custom_hooks": [dict(type="MeanTeacherHook")]}, "assert hasattr.model, 'teacher'"),
        ({"model.bbox_head.num_classes": 0}, "bbox_head.num_classes is 0; use a whole number of 1"),
        ({"custom_hooks": [SWITCH | dict(switch_pipeline=[])]}, "switch_pipeline is .*; it must"),
        ({"custom_hooks": [SWITCH | dict(switch_epoch="1")]}, "switch_epoch is '1'; use a whole"),
        (
            {"custom_hooks": [SWITCH | dict(switch_pipeline=[dict(type="LodAnnotations")])]},
            r"custom_hooks\[0\].switch_pipeline\[0\].type is 'LodAnnotations', which is no known",
        ),
        (
            {"custom_hooks": [SWITCH | dict(switch_pipeline=[LOAD, dict(type="PackDetInputs")])]},
            r"custom_hooks\[0\].switch_pipeline loads no labels",
        ),
        (
            {"custom_hooks": [dict(type="YOLOXModeSwitchHook", num_last_epochs=1)]},
            "a data set that mixes images, but the training's is",
        ),
        ({"compile": dict(backend="nope")}, "compile: Invalid backend: 'nope'"),
        # an evaluation, a selection or a phase of a part of the images
        ({"test_dataloader.sampler": SAMPLER}, r"test_dataloader.sampler \(FixedLengthSampler\) m"),
        ({"test_dataloader.num_batch_per_epoch": 1}, "test_dataloader.num_batch_per_epoch is 1, b"),
        ({"candidate_dataloader.num_batch_per_epoch": 1}, "each image counts there; take it out"),
        ({"candidate_dataloader.sampler": SAMPLER}, "may leave images out, but each one counts"),
        (
            {"unlabeled_dataloader.sampler": SAMPLER},
            r"Sampler\) is for the loop to set; use Default",
        ),
        ({"train_dataloader.num_batch_per_epoch": 0}, "use a whole number of 1 or more"),
        # labels that a part needs
        ({"pool.load_annotations": False}, "pool.load_annotations is for the loop to set"),
        (
            {"train_dataloader.dataset.load_annotations": False},
            "train_dataloader.dataset.load_anno",
        ),
        ({"test_dataloader.dataset.load_annotations": False}, "labels are needed there; take it"),
        # names of nothing
        ({"activation_checkpointing": ["nothing"]}, "activation_checkpointing names 'nothing'"),
        ({"efficient_conv_bn_eval": ["nothing"]}, "efficient_conv_bn_eval names 'nothing'"),
        ({"data_preprocessor": dict(type="DetDataPreprocessor")}, "beside model.data_preprocessor"),
        ({"sync_bn": "foo"}, "sync_bn is 'foo'; use 'torch' or 'mmcv'"),
        ({"active_learning.metric": "pascal_voc/AP/foo"}, "but the classes are zero, one"),
        ({"test_evaluator": VOC | dict(_delete_=True)}, "does not measure mean/pascal_voc/mAP; w"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_sentence_names_the_key(options, message):
    cfg = tiny_config("nowhere")
    cfg.merge_from_dict(options)
    with pytest.raises(ADSError, match=message):
        check_config(cfg)


def test_what_acts_passes(capsys):
    same = tiny_config("nowhere").model.data_preprocessor
    options = {
        "default_hooks.checkpoint": dict(save_last=False, save_best="auto"),
        "optim_wrapper.paramwise_cfg": dict(custom_keys={"backbone": dict(lr_mult=0.1)}),
        "active_learning.metric": "pascal_voc/AP/one",
        "candidate_dataloader.sampler": dict(type="DefaultSampler", shuffle=False),
        "data_preprocessor": same,  # as configs of mmdet have it
    }
    check_config(tiny_config("nowhere", **options))
    assert capsys.readouterr().out == ""


def test_a_switch_after_the_end_is_said(capsys):
    check_config(tiny_config("nowhere", **{"custom_hooks": [SWITCH]}))
    assert capsys.readouterr().out == ""
    check_config(tiny_config("nowhere", **{"custom_hooks": [SWITCH | dict(switch_epoch=280)]}))
    assert "custom_hooks[0].switch_epoch is 280, but the training has" in capsys.readouterr().out


def test_a_hook_may_stand_for_a_default_one_that_is_left_out():
    options = {"default_hooks.logger": None, "custom_hooks": [dict(type="LoggerHook")]}
    options["custom_hooks"].append(dict(type="EMAHook", begin_epoch=1))
    check_config(tiny_config("nowhere", **options))


def test_names_of_no_parameter_are_said(capsys):
    check_config(
        tiny_config("nowhere", **{"optim_wrapper.paramwise_cfg.custom_keys": {"bakbone": {}}})
    )
    assert "custom_keys has 'bakbone', which is part of no parameter's" in capsys.readouterr().out


def test_phases_that_never_come_are_said(capsys):
    check_training(tiny_config("nowhere", **{"method.begin": 50}))
    assert "method.begin=50 lets no unlabelled epoch of ADS come bef" in capsys.readouterr().out
    check_training(tiny_config("nowhere", **{"method.begin": 1}))
    assert "method.begin" not in capsys.readouterr().out


def test_an_unlabelled_epoch_without_a_batch_is_refused(digits):
    """With `schedule='joint'` it would be waited for without end."""
    cfg = tiny_config(digits)
    cfg.unlabeled_dataloader.update(drop_last=True, batch_size=64)
    cfg.unlabeled_dataloader.dataset = cfg.candidate_dataloader.dataset | cfg.pool
    with pytest.raises(ADSError, match=r"unlabelled images \(\d+\) fills no batch of 64; take unl"):
        ADS()._build_loader(
            SimpleNamespace(cfg=cfg, build_dataloader=Runner.build_dataloader, seed=0)
        )


def test_a_classifier_takes_whole_batches():
    cfg = tiny_classification_config(**{"test_dataloader.collate_fn.type": "pseudo_collate"})
    with pytest.raises(ADSError, match="collate_fn is 'pseudo_collate', but a classifier takes ba"):
        check_config(cfg)


def test_two_measures_of_one_name_are_refused():
    cfg = tiny_config("nowhere")
    cfg.test_evaluator = [cfg.test_evaluator, cfg.test_evaluator]
    with pytest.raises(ADSError, match=r"test_evaluator\[1\] measures \S+/AP50 once more"):
        try_step(cfg)


def test_a_text_is_no_list_of_classes():
    with pytest.raises(ADSError, match=r"classes is 'zero'; use a list .*: \('zero',\)"):
        check_ranges(dict(pool=dict(metainfo=dict(classes="zero"))))


def weights(cfg, path, **options):
    block = dict(type="Pretrained", checkpoint=str(path), **options)
    model = cfg.model.to_dict()
    model["backbone"]["init_cfg"] = block
    return Config(dict(model=model))


def test_pretrained_weights_that_do_not_fit_are_refused(tmp_path, capsys):
    """mmengine loads what fits, be it nothing."""
    from ads_det.registry import MODELS

    small, wide = (
        tiny_classification_config(**{"model.backbone.width": width}) for width in (4, 8)
    )
    state = MODELS.build(small.model).state_dict()
    path = tmp_path / "small.pth"
    torch.save(dict(state_dict=state), path)
    check_pretrained(weights(small, path, prefix="backbone."))
    assert capsys.readouterr().out == ""
    with pytest.raises(ADSError, match=r"of another architecture: they have 0 of \d+ tensors of b"):
        check_pretrained(weights(small, path))  # the names begin with backbone.
    with pytest.raises(ADSError, match="of another architecture"):
        check_pretrained(weights(wide, path, prefix="backbone"))
    with pytest.raises(ADSError, match="nothing that begins with 'backbon.'; correct model.backb"):
        check_pretrained(weights(small, path, prefix="backbon."))
    lacking = next(name for name in state if name.endswith("conv1.weight"))
    torch.save({k: v for k, v in state.items() if k != lacking}, path)
    check_pretrained(weights(small, path, prefix="backbone."))
    assert "tensors of backbone; the others are drawn" in capsys.readouterr().out
