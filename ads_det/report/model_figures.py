"""What a model sees: predictions and heat maps of both classifiers, and its feature space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from mmengine.registry import DATASETS
from PIL import Image
from sklearn.manifold import TSNE

from ads_det.engine.runner import CycleRunner

COLORS = {"f1": "tab:red", "f2": "tab:blue"}
CLASSIFIERS = {"f1": "classifier 1", "f2": "classifier 2"}
SHOWN_BOXES = 8  # of each classifier in an image


@torch.inference_mode()
def plot_predictions(
    model: Any,
    dataloader: dict,
    ids: Sequence[str],
    open_image: Any,
    classes: Sequence[str],
    threshold: float = 0.3,
) -> Figure:
    """Images with what f1 and f2 find in them and, for a detector, where (the paper's Fig. 7).

    Args:
        model: a TwoClassifierModel.
        dataloader: config of the candidate loader.
        ids: ids of the images, one row each.
        open_image: from an id to its image.
        classes: their names.
        threshold: least probability of a box to be drawn; the best eight of each classifier are.
    """
    dataset = DATASETS.build(dict(dataloader["dataset"], ids=list(ids)))
    cfg = {k: v for k, v in dataloader.items() if k != "dataset"} | dict(num_workers=0)
    sampler = dict(type="DefaultSampler", shuffle=False)
    cfg |= dict(dataset=dataset, batch_size=len(ids), sampler=sampler)
    batch = next(iter(CycleRunner.build_dataloader(cfg)))
    model.eval()
    data = model.data_preprocessor(batch, training=False)
    predictions = model._run_forward(data, mode="predict")
    has_maps = hasattr(model, "heat_maps")
    maps = model.heat_maps(model.extract_feat(data["inputs"])) if has_maps else []
    names = list(COLORS)[: len(maps) or 2]
    figure = Figure(figsize=(2.4 * (1 + len(maps)), 2.3 * len(ids)), layout="constrained")
    grid = figure.subplots(len(ids), 1 + len(maps), squeeze=False)
    for row, (name, prediction) in enumerate(zip(ids, predictions, strict=True)):
        image = open_image(name)
        grid[row, 0].imshow(image)
        if maps:
            _draw_boxes(grid[row, 0], prediction, classes, names, threshold)
        else:
            grid[row, 0].set_title(_top_classes(prediction, classes), fontsize=7)
        for column, (classifier, heat) in enumerate(zip(names, maps), start=1):
            grid[row, column].imshow(_blend(image, heat[row].cpu().numpy()))
            grid[row, column].set_title(
                f"{CLASSIFIERS[classifier]}, at most {heat[row].max():.2f}", fontsize=7
            )
    for axes in figure.axes:
        axes.set_axis_off()
    return figure


def _draw_boxes(
    axes: Any, prediction: Any, classes: Sequence[str], names: Sequence[str], threshold: float
) -> None:
    for name in names:
        instances = prediction.get(f"pred_instances_{name}", prediction.get("pred_instances"))
        instances = instances[instances.scores >= threshold]
        instances = instances[instances.scores.argsort(descending=True)[:SHOWN_BOXES]]
        for box, label, score in zip(
            instances.bboxes.tolist(), instances.labels.tolist(), instances.scores.tolist()
        ):
            corner, width, height = box[:2], box[2] - box[0], box[3] - box[1]
            axes.add_patch(Rectangle(corner, width, height, fill=False, ec=COLORS[name], lw=1))
            text = f"{classes[label]} {score:.2f}"
            axes.text(*corner, text, color=COLORS[name], fontsize=5, clip_on=True)


def _top_classes(prediction: Any, classes: Sequence[str]) -> str:
    parts = []
    for name in CLASSIFIERS:
        probabilities = prediction.get(f"pred_{name}")
        if probabilities is not None:
            best = int(probabilities.argmax())
            parts.append(f"{CLASSIFIERS[name]}: {classes[best]} {probabilities[best]:.2f}")
    return "\n".join(parts)


def _blend(image: Image.Image, heat: np.ndarray) -> np.ndarray:
    """The image in grey under red where the probability is high."""
    alpha = Image.fromarray((heat.clip(0, 1) * 255).astype(np.uint8)).resize(image.size)
    weight = np.asarray(alpha, np.float32)[..., None] / 255
    grey = np.asarray(image.convert("L").convert("RGB"), np.float32) / 255
    return grey * (1 - 0.8 * weight) + np.array([1.0, 0.1, 0.0]) * 0.8 * weight


def plot_features(
    features: np.ndarray, groups: Sequence[str], seed: int = 0, perplexity: float = 30
) -> Figure:
    """t-SNE of pooled features (the paper's Fig. 4).

    Args:
        features: shape (N, D).
        groups: ``'labelled'``, ``'unlabelled'`` or ``'picked'``, one for each.
        seed: seed of t-SNE.
        perplexity: perplexity of t-SNE; lowered for few images.
    """
    perplexity = min(perplexity, max((len(features) - 1) / 4, 1))
    points = TSNE(init="pca", random_state=seed, perplexity=perplexity).fit_transform(features)
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    styles = {
        "unlabelled": dict(color="0.75", s=8),
        "labelled": dict(color="tab:blue", s=12),
        "picked": dict(color="tab:red", s=22, marker="*"),
    }
    for name, style in styles.items():
        chosen = np.array([group == name for group in groups])
        if chosen.any():
            axes.scatter(*points[chosen].T, label=f"{name} ({chosen.sum()})", **style)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(fontsize=8)
    return figure
