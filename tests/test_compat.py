"""The stack check, and mmdet on an mmcv without compiled ops."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from ads_det import compat

PACKAGES = {"mmengine", "mmcv", "mmdet"}
FORK = {"onedl-mmengine", "onedl-mmcv", "onedl-mmdetection"}
NMS = dict(type="nms", iou_threshold=0.5)
CLASSES = 3
SIZE = 64


@pytest.fixture(scope="module", autouse=True)
def stand_in() -> None:
    if not compat.install_ops():
        pytest.skip("mmcv has compiled ops")


def is_one_sentence(text: str | None) -> bool:
    return bool(text) and text.endswith(".") and ". " not in text and "\n" not in text


@pytest.mark.parametrize("names", [FORK, PACKAGES, {"OneDL_mmcv", "onedl.mmengine", "mmcv-geo"}])
def test_one_family_is_fine(names: set[str]) -> None:
    assert compat.stack_problem(names, PACKAGES) is None


@pytest.mark.parametrize("missing", sorted(PACKAGES))
def test_missing_package_names_both_extras(missing: str) -> None:
    problem = compat.stack_problem(FORK, PACKAGES - {missing})
    assert is_one_sentence(problem) and problem.startswith(f"{missing} cannot be imported: install")
    assert "'ads_det[onedl]'` (default)" in problem and "'ads_det[openmmlab]'" in problem


@pytest.mark.parametrize("importable", [PACKAGES, set()])  # the clash comes first: it is the cause
@pytest.mark.parametrize(
    ("fork", "upstream"),
    [("onedl-mmdetection", "mmdet"), ("OneDL_mmcv", "mmcv"), ("onedl-mmcv-cu128", "mmcv-lite")],
)
def test_two_families_are_named(fork: str, upstream: str, importable: set[str]) -> None:
    problem = compat.stack_problem({"onedl-mmengine", fork, upstream}, importable)
    pair = f"{fork.lower().replace('_', '-')}, {upstream}"
    assert is_one_sentence(problem) and problem.startswith(f"{pair} are installed side by side")
    assert "uninstall one family" in problem


def test_check_stack_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compat.check_stack()
    # Empty folders, as an uninstall may leave behind, are no packages.
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(ImportError, match=r"^mmengine, mmcv, mmdet cannot be imported"):
        compat.check_stack()
    for name in ("mmcv", "onedl_mmcv"):
        (tmp_path / f"{name}-9.9.dist-info").mkdir()
        (tmp_path / f"{name}-9.9.dist-info" / "METADATA").write_text(
            f"Name: {name}\nVersion: 9.9\n"
        )
    importlib.invalidate_caches()
    with pytest.raises(ImportError, match=r"^onedl-mmcv, mmcv are installed side by side"):
        compat.check_stack()


def test_importing_compat_imports_neither_torch_nor_openmmlab() -> None:
    code = f"import runpy, sys; runpy.run_path({compat.__file__!r}); print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert "importlib.util" in loaded and not {"torch", *PACKAGES} & set(loaded)


def test_install_again_with_compiled_ops_and_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sys.modules["mmcv.ops"], sys.modules["mmcv.ops.nms"], sys.modules["mmcv"].ops
    assert compat.install_ops() is True
    after = sys.modules["mmcv.ops"], sys.modules["mmcv.ops.nms"], sys.modules["mmcv"].ops
    assert all(a is b for a, b in zip(before, after)) and after[0] is after[2]

    monkeypatch.delitem(sys.modules, "mmcv.ops")
    monkeypatch.setitem(sys.modules, "mmdet.models", ModuleType("mmdet.models"))
    with pytest.raises(RuntimeError, match=r"mmdet\.models was imported before install_ops"):
        compat.install_ops()
    monkeypatch.setitem(sys.modules, "mmcv._ext", ModuleType("mmcv._ext"))
    assert compat.install_ops() is False
    assert "mmcv.ops" not in sys.modules


def test_other_ops_raise_on_use_and_guards_keep_working() -> None:
    from mmcv import ops
    from mmcv.utils.env import collect_env
    from mmdet.models.dense_heads import base_dense_head, centripetal_head
    from mmdet.structures.mask import structures

    with pytest.raises(ImportError, match="op 'soft_nms' needs mmcv with compiled ops") as caught:
        ops.soft_nms(torch.zeros(1, 4), torch.zeros(1))
    assert is_one_sentence(str(caught.value))
    with pytest.raises(ImportError, match="op 'CARAFEPack' needs mmcv with compiled ops"):
        from mmcv.ops.carafe import CARAFEPack  # noqa: F401
    assert not hasattr(ops, "no_such_op")  # nor does mmcv have it

    assert collect_env()["MMCV Compiler"] == "n/a"
    with pytest.raises(RuntimeError, match="requires mmcv to be compiled"):
        centripetal_head.DeformConv2d()
    assert base_dense_head.batched_nms is compat.batched_nms
    assert structures.roi_align is compat.roi_align


def reference_nms(
    boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float, offset: int = 0
) -> list[int]:
    """Greedy NMS within groups in plain Python; indices sorted by falling score."""

    def iou(a: list[float], b: list[float]) -> float:
        width = max(min(a[2], b[2]) - max(a[0], b[0]) + offset, 0.0)
        height = max(min(a[3], b[3]) - max(a[1], b[1]) + offset, 0.0)
        areas = [(r[2] - r[0] + offset) * (r[3] - r[1] + offset) for r in (a, b)]
        return width * height / (sum(areas) - width * height)

    box, score, group = boxes.tolist(), scores.tolist(), groups.tolist()
    kept: list[int] = []
    for i in sorted(range(len(box)), key=lambda i: -score[i]):
        if all(group[k] != group[i] or iou(box[i], box[k]) <= threshold for k in kept):
            kept.append(i)
    return kept


def random_boxes(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes (count, 4) on whole pixels, distinct scores (count,) and groups (count,)."""
    generator = torch.Generator().manual_seed(count)
    corner = torch.randint(0, 30, (count, 2), generator=generator)
    sides = torch.randint(5, 30, (count, 2), generator=generator)
    scores = (torch.randperm(count, generator=generator) + 1) / (count + 1)
    groups = torch.randint(0, CLASSES, (count,), generator=generator)
    return torch.cat([corner, corner + sides], dim=1).float(), scores, groups


# torchvision goes group by group from 1,000 boxes on and shifts the groups apart below that.
@pytest.mark.parametrize(("count", "offset"), [(0, 0), (60, 0), (60, 1), (1100, 0)])
@pytest.mark.parametrize("agnostic", [False, True])
def test_nms_equals_reference(count: int, offset: int, agnostic: bool) -> None:
    boxes, scores, groups = random_boxes(count)
    expected = reference_nms(boxes, scores, groups * (not agnostic), 0.5, offset)
    cfg = dict(NMS, split_thr=10, class_agnostic=agnostic, offset=offset)
    # The entry in the config wins over the argument.
    dets, keep = compat.batched_nms(boxes, scores, groups, cfg, class_agnostic=not agnostic)
    assert keep.tolist() == expected and dets.shape == (len(keep), 5)
    assert torch.equal(dets, torch.cat([boxes, scores[:, None]], dim=1)[keep])
    assert {"type", "split_thr", "class_agnostic"} < set(cfg)  # the caller's config is untouched


def test_options_of_batched_nms() -> None:
    boxes, scores, groups = random_boxes(60)
    everything = compat.batched_nms(boxes, scores, groups, NMS)[1].tolist()
    best = compat.batched_nms(boxes, scores, groups, dict(NMS, max_num=4))[1].tolist()
    assert len(everything) > 4 and best == everything[:4]
    good = compat.batched_nms(boxes, scores, groups, dict(NMS, score_threshold=0.5))[1].tolist()
    assert good == [i for i in everything if scores[i] > 0.5] and 0 < len(good) < len(everything)
    alone = compat.nms(boxes, scores, 0.5)[1].tolist()
    assert alone == reference_nms(boxes, scores, 0 * groups, 0.5) != everything
    half = compat.batched_nms(boxes, scores.half(), groups, NMS)  # as under mixed precision
    assert half[1].tolist() == everything and half[0].dtype == torch.float32
    dets, order = compat.batched_nms(boxes, scores, groups, None)  # sorts only
    assert order.tolist() == sorted(range(60), key=lambda i: -scores[i])
    assert torch.equal(dets, torch.cat([boxes, scores[:, None]], dim=1)[order])


@pytest.mark.parametrize(("aligned", "size"), [(True, 2), (False, 2), (True, (2, 2))])
def test_roi_align_of_a_ramp(aligned: bool, size: int | tuple[int, int]) -> None:
    from mmcv.ops import RoIAlign

    # Where features equal their x index, a bin's mean is its centre, less half a pixel if aligned.
    ramp = torch.arange(16.0).expand(2, 1, 16, 16) * torch.tensor([1.0, 10.0]).view(2, 1, 1, 1)
    rois = torch.tensor([[0.0, 4, 4, 20, 12], [1, 8, 8, 24, 16]])
    layer = RoIAlign(output_size=size, spatial_scale=0.5, sampling_ratio=2, aligned=aligned)
    layer = pickle.loads(pickle.dumps(layer))
    centres = torch.tensor([[4.0, 8.0], [6.0, 10.0]]) - (0.5 if aligned else 0.0)
    expected = (centres * torch.tensor([[1.0], [10.0]]))[:, None, None].expand(2, 1, 2, 2)
    assert torch.allclose(layer(ramp, rois), expected)
    with pytest.raises(NotImplementedError, match="pool_mode 'max' needs mmcv"):
        RoIAlign(7, pool_mode="max")(ramp, rois)


def test_focal_loss_equals_that_of_mmdet() -> None:
    from mmdet.models.losses import focal_loss as theirs  # takes the op on CUDA, Python on CPU

    logits = torch.randn(8, CLASSES, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 1, 2, 3, 3, 2, 1, 0])  # 3 is background
    one_hot = torch.nn.functional.one_hot(target, CLASSES + 1)[:, :CLASSES]
    arguments = dict(weight=torch.arange(8.0), gamma=1.5, alpha=0.3, avg_factor=5)
    ours = theirs.sigmoid_focal_loss(logits, target, **arguments)
    assert torch.allclose(ours, theirs.py_sigmoid_focal_loss(logits, one_hot, **arguments))
    total = compat.sigmoid_focal_loss(logits, target, reduction="sum")
    assert torch.allclose(compat.sigmoid_focal_loss(logits, target), total / 8)
    with pytest.raises(NotImplementedError, match="weights per class"):
        compat.sigmoid_focal_loss(logits, target, weight=torch.ones(CLASSES))


def small(name: str) -> Any:
    """One of mmdet's model configs, on a ResNet-18 with 8 to 64 channels at strides 4 to 32."""
    import mmdet
    from mmdet.models.dense_heads import SSDHead
    from mmdet.registry import MODELS
    from mmengine.config import Config

    @MODELS.register_module(force=True)
    class PredictingSSDHead(SSDHead):
        loss_cls = None  # post-processing reads it and SSDHead never sets it

    widths, thin = [8, 16, 32, 64], dict(in_channels=16, feat_channels=16)
    folder = Path(mmdet.__file__).parent / ".mim" / "configs" / "_base_" / "models"
    model = Config.fromfile(folder / f"{name}.py").model
    model.backbone = dict(type="ResNet", depth=18, base_channels=8, norm_eval=False)
    if name == "ssd300":
        model.neck = None
        sizes = dict(min_sizes=[8, 16, 28, 44], max_sizes=[16, 28, 44, 60], strides=[4, 8, 16, 32])
        model.bbox_head.update(type="PredictingSSDHead", in_channels=widths, num_classes=CLASSES)
        model.bbox_head.anchor_generator.update(sizes, ratios=[[2]] * 4)
        return model
    model.neck.update(in_channels=widths, out_channels=16)
    if name == "retinanet_r50_fpn":
        model.bbox_head.update(thin, num_classes=CLASSES, stacked_convs=1)
    else:
        model.rpn_head.update(thin)
        model.roi_head.bbox_roi_extractor.out_channels = 16
        model.roi_head.bbox_head.update(in_channels=16, fc_out_channels=32, num_classes=CLASSES)
    return model


def build(config: Any) -> torch.nn.Module:
    from mmdet.registry import MODELS

    torch.manual_seed(0)
    return MODELS.build(dict(config, _scope_="mmdet"))


def batch() -> dict[str, Any]:
    """Two noise images with three boxes each, as a data loader hands them to a detector."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    pixels = torch.randint(0, 256, (2, 3, SIZE, SIZE), dtype=torch.uint8)
    meta = dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE), scale_factor=(1.0, 1.0))
    samples = [DetDataSample(metainfo=dict(meta, img_id=i)) for i in range(2)]
    boxes = torch.tensor([[4.0, 6, 30, 34], [28, 24, 60, 58], [44, 4, 53, 13]])
    for label, sample in enumerate(samples):
        sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([label, 2, 2]))
    return dict(inputs=list(pixels), data_samples=samples)


@pytest.mark.parametrize("name", ["ssd300", "retinanet_r50_fpn", "faster-rcnn_r50_fpn"])
def test_detector_trains_and_predicts(name: str) -> None:
    from mmcv.ops import RoIAlign
    from mmengine.optim import OptimWrapper

    model = build(small(name)).train()
    pooled: list[Tensor] = []
    for layer in [module for module in model.modules() if isinstance(module, RoIAlign)]:
        layer.register_forward_hook(lambda _layer, _inputs, output: pooled.append(output))
    before = {name: value.clone() for name, value in model.named_parameters()}
    optimizer = OptimWrapper(torch.optim.Adam(model.parameters(), lr=1e-3))
    losses = model.train_step(batch(), optimizer)

    values = [*losses.values(), *model.parameters()]
    assert losses["loss"] > 0 and all(value.isfinite().all() for value in values)
    assert [n for n, value in model.named_parameters() if value.equal(before[n])] == []
    assert {output.shape[1:] for output in pooled} == ({(16, 7, 7)} if "rcnn" in name else set())

    results = model.eval().test_step(batch())
    assert len(results) == 2
    for found in [result.pred_instances for result in results]:
        assert len(found) > 0 and found.bboxes.shape == (len(found), 4)
        assert found.bboxes.min() >= 0 and found.bboxes.max() <= SIZE
        assert set(found.labels.tolist()) <= set(range(CLASSES))
        assert (found.scores[:-1] >= found.scores[1:]).all()
        # Suppressing a second time suppresses nothing.
        assert len(reference_nms(found.bboxes, found.scores, found.labels, 0.501)) == len(found)


def test_unsupported_choices_in_a_config_are_named() -> None:
    config = small("faster-rcnn_r50_fpn")
    config.roi_head.bbox_roi_extractor.roi_layer = dict(type="RoIPool", output_size=7)
    with pytest.raises(ImportError, match="op 'RoIPool' needs mmcv with compiled ops"):
        build(config)
    config = small("retinanet_r50_fpn")
    config.test_cfg.nms = dict(type="soft_nms", iou_threshold=0.5)
    with pytest.raises(NotImplementedError, match="NMS type 'soft_nms' needs mmcv with compiled"):
        build(config).eval().test_step(batch())
