"""Files of a trained detector for use without this project."""

from __future__ import annotations

import copy
import inspect
import io
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from ads_det.engine.foreign_config import without_annotations
from ads_det.engine.input_size import RESIZES
from ads_det.errors import ADSError
from ads_det.files import write_atomic, write_text
from ads_det.models.onnx_graph import OUTPUTS, OnnxGraph
from ads_det.models.plain import plain_config, plain_state
from ads_det.registry import MODELS

OPSET = 16


def export_onnx(model: nn.Module, size: tuple[int, int], path: Path) -> OnnxGraph:
    """Write a detector as ONNX, see :class:`~ads_det.models.onnx_graph.OnnxGraph`.

    Args:
        model: a detector of this project with its weights.
        size: height and width of its input.
        path: file to write.

    Returns:
        The graph, to compare with.

    Raises:
        ADSError: if the detector cannot be exported, or the package onnx is missing.
    """
    graph = OnnxGraph(model.cpu().eval(), size).eval()
    if find_spec("onnx") is None:
        raise ADSError("ONNX needs the package onnx: pip install 'ads_det[export]'.")
    buffer = io.BytesIO()
    axes = {name: {0: "images" if k < 2 else "boxes"} for k, name in enumerate(OUTPUTS)}
    options: dict[str, Any] = dict(opset_version=OPSET)
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False  # the other exporter has no symbolic functions
    images = torch.rand(2, 3, *size) * 255
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            *(graph, (images,), buffer),
            input_names=["pixels"],
            output_names=list(OUTPUTS),
            dynamic_axes={"pixels": {0: "images"}} | axes,
            **options,
        )
    write_atomic(path, lambda file: file.write(buffer.getvalue()))
    return graph


def largest_difference(graph: OnnxGraph, path: Path, images: torch.Tensor) -> float | None:
    """Of probabilities and boxes (as a share of the input's longer side) between onnxruntime and
    PyTorch; None where onnxruntime is not installed."""
    try:
        from onnxruntime import InferenceSession
    except ImportError:
        return None
    session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(list(OUTPUTS[:2]), {"pixels": images.numpy()})
    with torch.no_grad():
        expected = graph.dense(images)
    scales = (1.0, float(max(graph.size)))
    pairs = zip(found, expected, scales, strict=True)
    return max((torch.from_numpy(a) - b).abs().max().item() / s for a, b, s in pairs)


def export_mmdet(cfg: Config, model: nn.Module, classes: list[str], folder: Path) -> str:
    """Write ``config.py`` and ``model.pth`` of mmdet's own detector with one classifier, for its
    ``DetInferencer``, its test script or a further training.

    Args:
        cfg: Run config.
        model: with its weights.
        classes: names of the labels.
        folder: where to write; made if missing.

    Returns:
        ``'mean'`` or ``'f1'``, see :func:`~ads_det.models.plain.plain_state`.

    Raises:
        ADSError: if a part of the model has no counterpart in mmdet.
    """
    plain = plain_config(cfg.model)
    state, kind = plain_state(model)
    built = MODELS.build(copy.deepcopy(plain))
    built.load_state_dict(state)  # fails here rather than at the user's
    dataset = dict(
        type="CocoDataset",
        data_root="data/coco/",
        ann_file="annotations/instances_val2017.json",
        data_prefix=dict(img="val2017/"),
        metainfo=dict(classes=tuple(classes)),
        test_mode=True,
        pipeline=_of_mmdet(without_annotations(cfg.candidate_dataloader.dataset.pipeline)),
    )
    whole = Config(
        dict(
            default_scope="mmdet",
            model=plain,
            test_dataloader=dict(
                batch_size=1,
                num_workers=0,
                sampler=dict(type="DefaultSampler", shuffle=False),
                dataset=dataset,
            ),
            visualizer=dict(type="DetLocalVisualizer", vis_backends=[dict(type="LocalVisBackend")]),
        )
    )
    folder.mkdir(parents=True, exist_ok=True)
    meta = dict(dataset_meta=dict(classes=tuple(classes)))
    buffer = io.BytesIO()
    torch.save(dict(meta=meta, state_dict=built.state_dict()), buffer)
    write_text(folder / "config.py", whole.pretty_text)
    write_atomic(folder / "model.pth", lambda file: file.write(buffer.getvalue()))
    return kind


def _of_mmdet(pipeline: list[dict]) -> list[dict]:
    """The pipeline with mmdet's transforms alone, which decode large photos whole."""
    steps: list[dict] = []
    for step in pipeline:
        if step["type"] == "ads_det.LoadResized":
            resize = dict(type="Resize", scale=step["scale"], keep_ratio=False)
            steps += [dict(type="LoadImageFromFile"), resize]
        else:
            steps.append(step)
    return steps


def input_size(cfg: Config) -> tuple[int, int]:
    """Height and width of the images that the model scores.

    Raises:
        ADSError: if the pipeline does not give all images one size.
    """
    for step in cfg.candidate_dataloader.dataset.pipeline:
        if step["type"] in RESIZES and not step.get("keep_ratio", False) and "scale" in step:
            width, height = step["scale"]
            return height, width
    raise ADSError(
        "The pipeline of candidate_dataloader does not give all images one size; name it with "
        "--size HEIGHT WIDTH."
    )
