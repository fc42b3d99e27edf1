"""What a model sees: predictions and heat maps of both classifiers, and its feature space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from mmengine.registry import DATASETS
from PIL import Image
from sklearn.manifold import TSNE

from ads_det.engine.runner import CycleRunner
from ads_det.report.pictures import Mark, draw_marks

COLORS = {"f1": "red", "f2": "blue"}
CLASSIFIERS = {"f1": "classifier 1", "f2": "classifier 2"}
SHOWN_BOXES = 8  # of each classifier in an image
LEAST_SCORE = 0.3  # of a box that is drawn
_SIDE = 400  # pixels of a picture's longer side
_RED = np.array([255.0, 25.0, 0.0])
_STRENGTH = 0.85  # of the red where the map has its maximum


@torch.inference_mode()
def see(
    model: Any, dataloader: dict, ids: Sequence[str], with_maps: bool = False
) -> Iterator[tuple[str, Any, list[np.ndarray]]]:
    """What a model finds in some images.

    Args:
        model: a TwoClassifierModel.
        dataloader: config of the candidate loader.
        ids: ids of the images.
        with_maps: whether heat maps are wanted, which only detectors have.

    Yields:
        Id, data sample with predictions, and the heat map (H, W) of each classifier.
    """
    dataset = DATASETS.build(dict(dataloader["dataset"], ids=list(ids)))
    cfg = {k: v for k, v in dataloader.items() if k != "dataset"} | dict(num_workers=0)
    cfg.pop("persistent_workers", None)
    cfg |= dict(dataset=dataset, sampler=dict(type="DefaultSampler", shuffle=False))
    model.eval()
    names = iter(ids)
    for batch in CycleRunner.build_dataloader(cfg):
        data = model.data_preprocessor(batch, training=False)
        samples = model._run_forward(data, mode="predict")
        with_maps = with_maps and hasattr(model, "heat_maps")
        maps = model.heat_maps(model.extract_feat(data["inputs"])) if with_maps else []
        for i, sample in enumerate(samples):
            yield next(names), sample, [heat[i].float().cpu().numpy() for heat in maps]


def picture_of_boxes(
    image: Image.Image, sample: Any, classes: Sequence[str], side: int = _SIDE
) -> Image.Image:
    """An image with what the mean prediction of a detector finds in it, the best boxes only; of a
    classifier the image alone."""
    if "pred_instances" not in sample:
        return draw_marks(image, [], side)
    return draw_marks(image, _marks(sample.pred_instances, classes, "yellow"), side)


def _marks(instances: Any, classes: Sequence[str], colour: str) -> list[Mark]:
    instances = instances[instances.scores >= LEAST_SCORE]
    instances = instances[instances.scores.argsort(descending=True)[:SHOWN_BOXES]]
    columns = (instances.bboxes.tolist(), instances.labels.tolist(), instances.scores.tolist())
    return [Mark(box, f"{classes[label]} {y:.2f}", colour) for box, label, y in zip(*columns)]


def text_of_classes(sample: Any, classes: Sequence[str]) -> str:
    """The most probable class of each classifier; empty for a detector."""
    parts = []
    for name in CLASSIFIERS:
        probabilities = sample.get(f"pred_{name}")
        if probabilities is not None:
            best = int(probabilities.argmax())
            parts.append(f"{CLASSIFIERS[name]}: {classes[best]} {probabilities[best]:.2f}")
    return ", ".join(parts)


def heat_pictures(
    model: Any, dataloader: dict, ids: Sequence[str], open_image: Any, classes: Sequence[str]
) -> tuple[list[tuple[Image.Image, str]], float]:
    """Images with the boxes of each classifier and, beside them, where it sees objects (the paper's
    Fig. 7).

    Args:
        model: a TwoClassifierModel of a detector.
        dataloader: config of the candidate loader.
        ids: ids of the images.
        open_image: Opens the image of an id.
        classes: their names.

    Returns:
        Pictures with captions, and the largest value of all maps, which is full red in each.
    """
    seen = list(see(model, dataloader, ids, with_maps=True))
    most = max((float(heat.max()) for *_, maps in seen for heat in maps), default=0.0)
    pictures = []
    for name, sample, maps in seen:
        image, names = open_image(name), list(COLORS)[: len(maps)]
        marks = []
        for of in names:
            found = sample.get(f"pred_instances_{of}", sample.get("pred_instances"))
            marks += _marks(found, classes, COLORS[of])
        pictures.append((draw_marks(image, marks, _SIDE), f"{name[-34:]}: boxes"))
        for of, heat in zip(names, maps):
            picture = draw_marks(_blend(image, heat / max(most, 1e-9)), [], _SIDE)
            pictures.append((picture, f"{CLASSIFIERS[of]}, at most {heat.max():.2f}"))
    return pictures, most


def _blend(image: Image.Image, heat: np.ndarray) -> Image.Image:
    """The image in grey under red where the heat, from 0 to 1, is high."""
    alpha = Image.fromarray((heat.clip(0, 1) * 255).astype(np.uint8)).resize(image.size)
    weight = _STRENGTH * np.asarray(alpha, np.float32)[..., None] / 255
    grey = np.asarray(image.convert("L").convert("RGB"), np.float32)
    return Image.fromarray((grey * (1 - weight) + _RED * weight).astype(np.uint8))


def plot_scale(most: float) -> Figure:
    """The scale of heat maps from 0 to their largest value, over a middle grey."""
    ends = [np.full(3, 0.6), 0.6 * (1 - _STRENGTH) + _RED / 255 * _STRENGTH]
    colours = LinearSegmentedColormap.from_list("heat", [tuple(end) for end in ends])
    figure = Figure(figsize=(5, 0.8), layout="constrained")
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, most), colours),
        cax=figure.add_subplot(),
        orientation="horizontal",
    )
    bar.set_label("largest probability of a class at the place")
    return figure


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
