"""What leaves the loop predicts as the model in it does."""

import copy
import sys

import numpy as np
import pytest
import torch
from family_models import DENSE, build, family_config, tiny_family_config
from helpers import CONFIGS, SIZE, build_classifier, build_detector, detection_batch, tiny_config
from mmdet.apis import DetInferencer
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from retina_models import build_retina, retina_config, tiny_retina_config

from ads_det.active.settings import load_config
from ads_det.data.synthetic import CLASSES as DIGITS
from ads_det.engine.export import export_mmdet, export_onnx, input_size, largest_difference
from ads_det.engine.training import evaluation_runner
from ads_det.errors import ADSError
from ads_det.models.onnx_graph import OnnxGraph
from ads_det.models.plain import plain_config, plain_state

PIXELS = torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 255


def model_of(kind):
    if kind in ("ssd_sigmoid", "ssd_softmax"):
        return build_detector(activation=kind.removeprefix("ssd_")).eval()
    model = build_retina() if kind == "retina" else build(family_config(kind))
    with torch.no_grad():  # away from the prior, so that boxes differ in their scores
        for layer in model.classifiers():
            for parameter in layer.parameters():
                parameter.add_(torch.randn(parameter.shape) * 0.3)
    return model.eval()


@pytest.mark.parametrize("kind", ["ssd_sigmoid", "ssd_softmax", "retina", *DENSE])
def test_the_onnx_graph_predicts_as_the_model(kind, tmp_path):
    """For three images where it was traced with two: by PyTorch, by onnxruntime, and after NMS
    the boxes of the model's own prediction."""
    pytest.importorskip("onnx")
    model = model_of(kind)
    cfg = model.bbox_head.test_cfg
    cfg.score_thr, cfg.nms_pre, cfg.max_per_img = 0.001, 10_000, 5000
    graph = export_onnx(model, (SIZE, SIZE), tmp_path / "model.onnx")
    with torch.no_grad():
        data = model.data_preprocessor(samples_of(PIXELS), training=False)
        expected = model.predict(**renamed(data), rescale=False)
        _, _, image, label, score, box = graph(PIXELS)
    for i, sample in enumerate(expected):
        own = image == i
        found = sorted_rows(score[own], label[own], box[own])
        p = sample.pred_instances
        assert len(p) > 0
        assert np.allclose(found, sorted_rows(p.scores, p.labels, p.bboxes), atol=1e-3)
    onnxruntime = pytest.importorskip("onnxruntime")
    assert largest_difference(graph, tmp_path / "model.onnx", PIXELS) < 1e-4
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    *_, ran_image, ran_label, ran_score, ran_box = session.run(None, {"pixels": PIXELS.numpy()})
    ran = np.concatenate([ran_image[:, None], sorted_columns(ran_score, ran_label, ran_box)], 1)
    whole = np.concatenate([image[:, None], sorted_columns(score, label, box)], 1)
    assert np.allclose(in_order(ran), in_order(whole), atol=1e-3)


def samples_of(pixels):
    batch = detection_batch(n=len(pixels))
    return dict(batch, inputs=list(pixels))


def renamed(data):
    return dict(batch_inputs=data["inputs"], batch_data_samples=data["data_samples"])


def sorted_columns(score, label, box):
    return np.concatenate([np.asarray(label)[:, None], np.asarray(score)[:, None], box], axis=1)


def sorted_rows(score, label, box):
    return in_order(sorted_columns(score, label, box))


def in_order(rows):
    return rows[np.lexsort(rows.round(3).T[::-1])]


def test_what_cannot_be_exported_says_so(tmp_path):
    with pytest.raises(ADSError, match=r"ADSFasterRCNN cannot .* --format mmdet"):
        export_onnx(build(family_config("faster_rcnn")), (64, 64), tmp_path / "model.onnx")
    with pytest.raises(ADSError, match="ADSClassifier cannot be exported"):
        export_onnx(build_classifier(), (64, 64), tmp_path / "model.onnx")
    model = build_retina()
    model.data_preprocessor.pad_size_divisor = 32
    with pytest.raises(ADSError, match="48x64 is no multiple of 32"):
        export_onnx(model, (48, 64), tmp_path / "model.onnx")
    with pytest.raises(ADSError, match=r"model.bbox_head.type is ads_det.ADSSSDHead, .*onnx"):
        plain_config(tiny_config("nowhere").model)
    cfg = tiny_config("nowhere")
    assert input_size(cfg) == (SIZE, SIZE)
    cfg.candidate_dataloader.dataset.pipeline[1].keep_ratio = True
    with pytest.raises(ADSError, match="--size HEIGHT WIDTH"):
        input_size(cfg)


@pytest.mark.parametrize(
    "prepare", [dict(), dict(bgr_to_rgb=True), dict(mean=[9] * 3, std=[2] * 3)]
)
def test_the_graph_prepares_images_as_the_model_does(prepare):
    config = retina_config()
    config["data_preprocessor"] = dict(type="DetDataPreprocessor", **prepare)
    model = build(config).eval()
    with torch.no_grad():
        data = model.data_preprocessor(samples_of(PIXELS), training=False)
        first, second = model(data["inputs"], mode="outputs").members
        found, _ = OnnxGraph(model, (SIZE, SIZE)).dense(PIXELS)
    assert torch.allclose(found, (first + second) / 2, atol=1e-5)


def test_without_their_packages_nothing_is_written_or_compared(monkeypatch, tmp_path):
    for name in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    model = build_retina().eval()
    with pytest.raises(ADSError, match="ONNX needs the package onnx: pip install"):
        export_onnx(model, (SIZE, SIZE), tmp_path / "model.onnx")
    graph = OnnxGraph(model, (SIZE, SIZE))
    assert largest_difference(graph, tmp_path / "model.onnx", PIXELS) is None


def test_the_folder_for_mmdet_loads_images_by_mmdets_transforms_alone(tmp_path):
    cfg = tiny_retina_config("nowhere")
    load = dict(type="ads_det.LoadResized", scale=(80, 40))
    cfg.candidate_dataloader.dataset.pipeline[:2] = [load]
    cfg.model.test_cfg = None
    export_mmdet(cfg, build(cfg.model), list(DIGITS), tmp_path)
    plain = Config.fromfile(tmp_path / "config.py")
    first, second, *_ = plain.test_dataloader.dataset.pipeline
    assert first == dict(type="LoadImageFromFile") and plain.model.test_cfg is None
    assert second == dict(type="Resize", scale=(80, 40), keep_ratio=False)


@pytest.mark.parametrize("name", ["retina_digits_ads", "rtmdet_small_bccd_ads"])
def test_what_only_computes_faster_becomes_mmdets_own(name):
    plain = plain_config(load_config(CONFIGS / f"{name}.py").model)
    assert "ads_det" not in str(plain)
    build(plain)


@pytest.mark.parametrize("kind", ["retina", "rtmdet_sep_bn", "faster_rcnn"])
def test_the_inferencer_of_mmdet_opens_the_folder(kind, digits, tmp_path):
    cfg = tiny_retina_config(digits) if kind == "retina" else tiny_family_config(digits, kind)
    model = build(cfg.model).eval()
    assert export_mmdet(cfg, model, list(DIGITS), tmp_path) == "mean"
    text = (tmp_path / "config.py").read_text()
    assert "ads_det" not in text and "num_classifiers" not in text
    inferencer = DetInferencer(
        *(str(tmp_path / "config.py"), str(tmp_path / "model.pth")),
        device="cpu", show_progress=False,
    )  # fmt: skip
    assert inferencer.model.dataset_meta["classes"] == DIGITS
    picture = str(next((digits / "JPEGImages").iterdir()))
    (found,) = inferencer(picture, no_save_vis=True)["predictions"]
    assert len(found["scores"]) > 0 and len(found["bboxes"][0]) == 4


@pytest.mark.parametrize("kind", ["retina", "fcos", "faster_rcnn"])
def test_the_plain_detector_of_equal_classifiers_predicts_as_they_do(kind):
    model = model_of(kind)
    first, second = model.classifiers()
    second.load_state_dict(first.state_dict())
    config = retina_config() if kind == "retina" else family_config(kind)
    plain = build(plain_config(config)).eval()
    state, _ = plain_state(model)
    plain.load_state_dict(state)
    with torch.no_grad():
        data = model.data_preprocessor(samples_of(PIXELS), training=False)
        ours = model.predict(**renamed(copy.deepcopy(data)), rescale=False)[0].pred_instances
        theirs = plain.predict(**renamed(data), rescale=False)[0].pred_instances
    assert torch.allclose(ours.scores, theirs.scores, atol=1e-5) and len(ours)


def test_map_is_that_of_mmdet_to_the_digit(digits, tmp_path):
    """Our evaluation of a trained RetinaNet with one classifier, and mmdet's own test of the
    plain config and weights, data set and metric."""
    cfg = tiny_retina_config(digits, **{"model.bbox_head.num_classifiers": 1})
    cfg.model.test_cfg.update(max_per_img=300, nms_pre=1000)  # boxes that hit by chance
    cfg.model.test_cfg.nms.iou_threshold = 0.9
    model = build(cfg.model)
    with torch.no_grad():
        for parameter in model.classifiers()[0].parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.3)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / "ours.pth")
    ours = evaluation_runner(cfg, tmp_path / "ours.pth", tmp_path / "ours").test()
    export_mmdet(cfg, model, list(DIGITS), tmp_path / "plain")
    plain = Config.fromfile(tmp_path / "plain/config.py")
    load, resize, annotations, pack = copy.deepcopy(cfg.test_dataloader.dataset.pipeline)
    plain.test_dataloader.dataset = dict(
        type="XMLDataset",
        data_root=str(digits),
        ann_file="ImageSets/Main/test.txt",
        data_prefix=dict(sub_data_root=""),
        metainfo=dict(classes=DIGITS),
        test_mode=True,
        pipeline=[load, resize, annotations, pack],
    )
    plain.test_evaluator = dict(type="VOCMetric", metric="mAP", eval_mode="11points")
    plain.test_cfg, plain.work_dir = dict(type="TestLoop"), str(tmp_path / "theirs")
    plain.load_from = str(tmp_path / "plain/model.pth")
    init_default_scope("mmdet")
    theirs = Runner.from_cfg(plain).test()
    assert 0 < theirs["pascal_voc/mAP"] == ours["mean/pascal_voc/mAP"]
    assert theirs["pascal_voc/AP50"] == ours["mean/pascal_voc/AP50"]
