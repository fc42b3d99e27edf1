"""The only file that knows which OpenMMLab stack is installed.

Two families of distributions supply the import packages `mmengine`, `mmcv` and `mmdet`: the
maintained fork, `onedl-*`, and upstream. `check_stack` says what is wrong with an installation;
`install_ops` lets mmdet run on an mmcv without compiled ops, with torchvision's NMS and RoIAlign.
Importing this module imports neither torch nor any OpenMMLab package.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Collection, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

_DISTRIBUTIONS = {  # import package -> (distribution of the fork, distributions of upstream)
    "mmengine": ("onedl-mmengine", ("mmengine", "mmengine-lite")),
    "mmcv": ("onedl-mmcv", ("mmcv", "mmcv-lite", "mmcv-full")),
    "mmdet": ("onedl-mmdetection", ("mmdet",)),
}
_INFOS = ("*.dist-info", "*.egg-info")
_STAND_IN = "__torchvision_stand_in__"


def check_stack() -> None:
    """Check that exactly one family of the OpenMMLab stack is installed; import none of it.

    Raises:
        ImportError: a package is missing or both families are installed; says what to do.
    """
    folders = [Path(place or ".") for place in sys.path]  # to read all metadata takes .1 s
    infos = {info.stem for f in folders for kind in _INFOS if f.is_dir() for info in f.glob(kind)}
    installed = {name.partition("-")[0] for name in infos}
    # A folder left behind by an uninstall is found as a namespace package, which has no origin.
    found = {n for n in _DISTRIBUTIONS if getattr(importlib.util.find_spec(n), "origin", None)}
    problem = stack_problem(installed, found)
    if problem is not None:
        raise ImportError(problem)


def stack_problem(installed: Collection[str], importable: Collection[str]) -> str | None:
    """Say in one sentence what is wrong with a stack, None when nothing is.

    Args:
        installed: Distribution names, in any spelling of case, `-`, `_` and `.`.
        importable: Those of the packages mmengine, mmcv and mmdet that can be imported.
    """
    names = {name.lower().replace("_", "-").replace(".", "-") for name in installed}
    clashes: list[str] = []
    for fork, upstream in _DISTRIBUTIONS.values():
        # Wheels of the fork may carry a suffix, as in onedl-mmcv-cu128-torch2-8.
        of_fork = sorted(name for name in names if f"{name}-".startswith(f"{fork}-"))
        of_upstream = sorted(names.intersection(upstream))
        clashes += of_fork + of_upstream if of_fork and of_upstream else []
    if clashes:
        return (
            f"{', '.join(clashes)} are installed side by side and overwrite each other's files: "
            "uninstall one family, onedl-* or upstream, and then reinstall the other."
        )
    missing = [name for name in _DISTRIBUTIONS if name not in importable]
    if missing:
        return (
            f"{', '.join(missing)} cannot be imported: install the OpenMMLab stack with "
            "`pip install 'ads_det[onedl]'` (default) or `pip install 'ads_det[openmmlab]'`."
        )
    return None


def install_ops() -> bool:
    """Let mmdet run on an mmcv without compiled ops; call it before importing mmdet.

    With `mmcv._ext` present nothing happens. Otherwise `mmcv.ops` becomes a stand-in that supplies
    `nms`, `batched_nms`, `roi_align`, `RoIAlign` and `sigmoid_focal_loss` from torchvision. Every
    other op raises ModuleNotFoundError, an ImportError, when it is imported or looked up, which is
    what the guards around mmdet's imports catch. A second call changes nothing.

    Returns:
        True when the stand-in is in place, False when mmcv has its own ops.

    Raises:
        ImportError: see `check_stack`.
        RuntimeError: parts of mmdet that look for the ops are already imported.
    """
    check_stack()
    import mmcv

    if sys.modules.get("mmcv._ext") or importlib.util.find_spec("mmcv._ext"):
        return False
    if hasattr(sys.modules.get("mmcv.ops"), _STAND_IN):
        return True
    for name in ("mmdet.models", "mmdet.structures", "mmdet.evaluation", "mmdet.apis"):
        if name in sys.modules:
            raise RuntimeError(
                f"{name} was imported before install_ops() and has already missed mmcv's ops: "
                "call install_ops() first, in a new process."
            )

    supplied: dict[str, dict[str, Any]] = {
        "nms": {"nms": nms, "batched_nms": batched_nms},
        "roi_align": {"roi_align": roi_align, "RoIAlign": _roi_align_layer()},
        "focal_loss": {"sigmoid_focal_loss": sigmoid_focal_loss},
    }
    init_file = Path(mmcv.__file__).parent / "ops" / "__init__.py"
    declared = declared_ops(init_file.read_text("utf-8")) if init_file.exists() else {}
    for stem in {*supplied, *declared}:
        name = f"mmcv.ops.{stem}"
        sys.modules[name] = _ops_module(name, supplied.get(stem, {}), declared.get(stem, set()))
    # As in mmcv, `mmcv.ops.nms` as an attribute is the function and not the submodule.
    functions = {op: obj for ops in supplied.values() for op, obj in ops.items()}
    known = {op for ops in declared.values() for op in ops}
    mmcv.ops = sys.modules["mmcv.ops"] = _ops_module("mmcv.ops", functions, known)
    return True


def declared_ops(source: str) -> dict[str, set[str]]:
    """Read from the source of `mmcv/ops/__init__.py` its submodules and the ops of each."""
    ops: dict[str, set[str]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            ops.setdefault(node.module, set()).update(a.asname or a.name for a in node.names)
    return ops


def nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    offset: int = 0,
    score_threshold: float = 0.0,
    max_num: int = -1,
    groups: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Suppress boxes that overlap a better one, like `mmcv.ops.nms` but for tensors only.

    Args:
        boxes, scores: (N, 4), `(x1, y1, x2, y2)`, and (N,).
        iou_threshold: Boxes with a larger IoU than this are suppressed.
        offset: 0 or 1; widths and heights are `x2 - x1 + offset`.
        score_threshold: When positive, only boxes with a larger score take part.
        max_num: When positive, the largest number of boxes kept.
        groups: (N,) integers; boxes suppress only boxes of their own group. Not in mmcv.

    Returns:
        Detections (K, 5) with the score in the last column, sorted by it, and their indices (K,).
    """
    import torch
    from torchvision import ops

    # torchvision wants one dtype for both and, on CPU, no half precision.
    dtype = torch.promote_types(torch.promote_types(boxes.dtype, scores.dtype), torch.float32)
    index = torch.arange(len(scores), device=scores.device)
    if score_threshold > 0:
        index = index[scores > score_threshold]
    # Moving the lower right corner by the offset widens all boxes and overlaps by it.
    corners = boxes[index].to(dtype) + boxes.new_tensor([0, 0, offset, offset], dtype=dtype)
    if groups is None:
        keep = ops.nms(corners, scores[index].to(dtype), iou_threshold)
    else:
        keep = ops.batched_nms(corners, scores[index].to(dtype), groups[index], iou_threshold)
    keep = index[keep[:max_num] if max_num > 0 else keep]
    return torch.cat([boxes[keep], scores[keep, None]], dim=1), keep


def batched_nms(
    boxes: Tensor,
    scores: Tensor,
    idxs: Tensor,
    nms_cfg: Mapping[str, Any] | None,
    class_agnostic: bool = False,
) -> tuple[Tensor, Tensor]:
    """Suppress boxes within each group `idxs` (N,), like `mmcv.ops.batched_nms`.

    Args:
        boxes, scores, idxs: As `boxes`, `scores` and `groups` of `nms`; so is what is returned.
        nms_cfg: Other arguments of `nms`, and optionally `type` ("nms", any other raises
            NotImplementedError), `class_agnostic` (wins over the argument) and `split_thr`
            (ignored: torchvision splits by itself). None sorts by score and suppresses nothing.
        class_agnostic: Suppress across groups.
    """
    import torch

    if nms_cfg is None:
        scores, order = scores.sort(descending=True)
        return torch.cat([boxes[order], scores[:, None]], dim=1), order
    cfg = dict(nms_cfg)
    kind = cfg.pop("type", "nms")
    if kind != "nms" and kind is not nms:
        raise NotImplementedError(_needs_ops(f"NMS type {getattr(kind, '__name__', kind)!r}"))
    cfg.pop("split_thr", None)
    groups = None if cfg.pop("class_agnostic", class_agnostic) else idxs
    return nms(boxes, scores, groups=groups, **cfg)


def roi_align(
    input: Tensor,
    rois: Tensor,
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    pool_mode: str = "avg",
    aligned: bool = True,
) -> Tensor:
    """Pool (N, C, H, W) over RoIs (R, 5) to (R, C, *output_size), like `mmcv.ops.roi_align`.

    A RoI is `(index into N, x1, y1, x2, y2)`. NotImplementedError: `pool_mode` is not "avg".
    """
    from torchvision import ops

    if pool_mode != "avg":
        raise NotImplementedError(_needs_ops(f"RoIAlign with pool_mode {pool_mode!r}"))
    rois = rois.to(input.dtype)
    return ops.roi_align(input, rois, output_size, spatial_scale, sampling_ratio, aligned)


def _roi_align_layer() -> type[nn.Module]:
    """Make the layer; in a function, so that importing this file imports no torch."""
    from torch import nn

    class RoIAlign(nn.Module):
        """`roi_align` as a layer, with mmcv's arguments."""

        def __init__(
            self,
            output_size: int | tuple[int, int],
            spatial_scale: float = 1.0,
            sampling_ratio: int = 0,
            pool_mode: str = "avg",
            aligned: bool = True,
            use_torchvision: bool = True,
        ) -> None:
            super().__init__()
            if isinstance(output_size, int):
                output_size = (output_size, output_size)
            self.output_size = output_size  # mmdet reads it as a pair
            self.arguments = (float(spatial_scale), sampling_ratio, pool_mode, aligned)

        def forward(self, input: Tensor, rois: Tensor) -> Tensor:
            return roi_align(input, rois, self.output_size, *self.arguments)

    # Where pickle finds it.
    RoIAlign.__module__, RoIAlign.__qualname__ = "mmcv.ops.roi_align", "RoIAlign"
    return RoIAlign


def sigmoid_focal_loss(
    input: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    alpha: float = 0.25,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Focal loss of logits (N, C), like `mmcv.ops.sigmoid_focal_loss`; mmdet uses it on CUDA only.

    `target` (N,) holds class indices, C for background. `reduction` "none" returns (N, C), "sum" a
    scalar and "mean" that sum divided by N. A `weight` raises NotImplementedError.
    """
    import torch
    from torchvision import ops

    if weight is not None:
        raise NotImplementedError(_needs_ops("sigmoid_focal_loss with weights per class"))
    classes = torch.arange(input.size(1), device=input.device)
    one_hot = (target[:, None] == classes).to(input.dtype)
    # torchvision's own "mean" divides by N * C.
    reduce = "sum" if reduction == "mean" else reduction
    loss = ops.sigmoid_focal_loss(input, one_hot, alpha, gamma, reduce)
    return loss / input.size(0) if reduction == "mean" else loss


def _ops_module(name: str, supplied: Mapping[str, Any], known: Collection[str]) -> ModuleType:
    """Make a module with the supplied ops; looking up another known op raises."""

    def missing(attribute: str) -> Any:
        # Unknown names get the usual error, since pickle and inspect probe every loaded module.
        if attribute in known:
            raise ModuleNotFoundError(_needs_ops(f"mmcv op {attribute!r}"), name=name)
        raise AttributeError(f"module {name!r} has no attribute {attribute!r}")

    module = ModuleType(name, "Stand-in for mmcv's compiled ops, on torchvision.")
    module.__spec__ = ModuleSpec(name, loader=None, is_package=True)
    module.__path__ = []
    vars(module).update(supplied, __all__=sorted(supplied), __getattr__=missing)
    setattr(module, _STAND_IN, True)
    return module


def _needs_ops(what: str) -> str:
    return (
        f"{what} needs mmcv with compiled ops: install a wheel that has them or, with torch, "
        "setuptools, wheel and ninja present, build them with `pip install --no-build-isolation "
        "--no-cache-dir --force-reinstall --no-deps onedl-mmcv` (upstream: mmcv)."
    )
