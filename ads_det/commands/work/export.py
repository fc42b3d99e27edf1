"""The work of ``ads-det export``."""

import argparse

import torch
from mmengine.registry import init_default_scope

from ads_det.console import say
from ads_det.engine.export import export_mmdet, export_onnx, input_size, largest_difference
from ads_det.engine.foreign_config import class_names, load_detector
from ads_det.engine.stored_config import read_config
from ads_det.errors import ADSError
from ads_det.models.base import TwoClassifierModel
from ads_det.work_files import RunFiles


def main(args: argparse.Namespace) -> None:
    """See ``ads-det export --help``."""
    from mmdet.models.detectors.base import BaseDetector  # after the registry, which has its ops

    files = RunFiles(args.run)
    cfg = read_config(files.config)
    init_default_scope(cfg.get("default_scope", "mmdet"))
    checkpoint = files.cycle(args.cycle).found_models()[0]
    model = load_detector(cfg, checkpoint)
    is_own = isinstance(model, TwoClassifierModel) and model.has_boxes
    if not is_own and not (args.format == "mmdet" and isinstance(model, BaseDetector)):
        raise ADSError(
            f"{args.run} trains {type(model).__name__}, which is no detector of this project; only "
            "its detectors are exported, and those of mmdet with --format mmdet."
        )
    if args.format == "mmdet":
        out = args.out or args.run / "export"
        kind = export_mmdet(cfg, model, class_names(cfg, checkpoint), out)
        what = "the mean of both classifiers' scores" if kind == "mean" else "its one classifier"
        if is_own and kind == "f1" and len(model.classifiers()) > 1:
            what = "f1"
        say(f"Done: {out}/config.py and model.pth, a plain detector that predicts by {what}")
        return
    size = tuple(args.size) if args.size else input_size(cfg)
    out = args.out or args.run / "export" / "model.onnx"
    out.parent.mkdir(parents=True, exist_ok=True)
    graph = export_onnx(model, size, out)
    images = torch.rand(3, 3, *size, generator=torch.Generator().manual_seed(0)) * 255
    difference = largest_difference(graph, out, images)
    checked = (
        "not checked, as onnxruntime is not installed"
        if difference is None
        else f"largest difference from PyTorch {difference:.1e}"
    )
    say(f"Done: {out}, {size[0]}x{size[1]} pixels ({checked})")
