"""The section of a report that shows what each cycle chose."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.registry import DATASETS
from PIL import Image, UnidentifiedImageError

from ads_det.active.picks_picture import turns_of
from ads_det.active.scoring import measure_images
from ads_det.active.settings import Settings
from ads_det.benchmark.run_folder import RunFolder
from ads_det.core.outputs import FEATURES
from ads_det.data.pool_dataset import PoolDataset
from ads_det.engine.datasets import bare_dataset, candidate_dataset, candidate_loader, pool_config
from ads_det.engine.model_config import has_background
from ads_det.engine.training import evaluation_runner
from ads_det.errors import ADSError
from ads_det.files import write_ids
from ads_det.report.gallery import distinct
from ads_det.report.model_figures import (
    LEAST_SCORE,
    picture_of_boxes,
    plot_features,
    see,
    text_of_classes,
)
from ads_det.report.page import Page
from ads_det.work_files import CycleFiles

PICTURES = 96  # of all cycles together, about
LEAST, MOST = 6, 24  # of one cycle
POINTS = 250  # of a t-SNE picture: labelled images, and others; it takes seconds a cycle
_SIDE = 320  # pixels of a picture's longer side


def add_choices(page: Page, run: RunFolder) -> None:
    """The images that each cycle chose, with what its model found in them, and where they lie in
    its feature space; of a cycle without weights the picture that the run drew."""
    chosen = {number: c for number, c in run.files.cycles().items() if c.picks_list.exists()}
    if not chosen:
        return
    page.heading("What was chosen")
    images, settings = candidate_dataset(run.config), Settings.from_config(run.config)
    most = min(max(PICTURES // len(chosen), LEAST), MOST)
    for number, files in chosen.items():
        title = f"Cycle {number}: {len(files.picks())} images"
        with page.folded(title, is_open=number == max(chosen)):
            if not files.found_models():
                _add_picture(page, files, number)
                continue
            model = evaluation_runner(
                run.config, files.found_models()[0], page.folder / "log"
            ).model
            _add_gallery(page, run, settings, images, model, number, most)
            caption = f"Feature space of cycle {number} (t-SNE): what lies close looks alike to it"
            page.figure(f"features_{number:02d}", _features(page, run, model, number), caption)


def add_pictures(page: Page, run: RunFolder) -> None:
    """The pictures of the picks that the run drew, where models and images are left out."""
    pictures = {n: c for n, c in run.files.cycles().items() if c.picks_picture.exists()}
    if pictures:
        page.heading("What was chosen")
    for number, files in pictures.items():
        with page.folded(f"Cycle {number}: {len(files.picks())} images"):
            _add_picture(page, files, number)


def classes_of(cfg: Config) -> list[str]:
    """Names of the classes of a run."""
    dataset = DATASETS.build(bare_dataset(pool_config(cfg), lazy_init=True))
    if not dataset.metainfo.get("classes"):
        dataset.image_ids()  # class folders know theirs when they were read
    return list(dataset.metainfo["classes"])


def _add_picture(page: Page, files: CycleFiles, number: int) -> None:
    path = files.picks_picture
    if not path.exists():
        return
    try:
        with Image.open(path) as picture:
            page.photo(f"picks_{number:02d}", picture, f"Picks of cycle {number}")
    except UnidentifiedImageError as error:
        raise ADSError(f"{path} is no picture; delete it to do without.") from error


def _add_gallery(
    page: Page,
    run: RunFolder,
    settings: Settings,
    images: PoolDataset,
    model: Any,
    number: int,
    most: int,
) -> None:
    files = run.files.cycle(number)
    picks, scores = files.picks(), files.scores()
    classes = classes_of(run.config)
    background = has_background(run.config.model)
    turns = turns_of(settings.build_strategy(), classes, len(picks), background)
    texts = distinct([scores[name] for name in picks[:most]])
    pictures = []
    found = see(model, candidate_loader(run.config, None), picks[:most])
    for rank, ((name, sample, _), text) in enumerate(zip(found, texts), start=1):
        try:
            image = images.open_image(name)
        except OSError:  # it was there when it was chosen
            continue
        turn = f", turn of {turns[rank - 1]}" if turns else ""
        seen = text_of_classes(sample, classes)
        caption = f"{rank}. {name[-34:]}: score {text}{turn}{'; ' * bool(seen)}{seen}"
        pictures.append((picture_of_boxes(image, sample, classes, _SIDE), caption))
    order = "the classes in turn" if turns else "the highest score first"
    text = f"The first {len(pictures)} of {len(picks)}, {order}"
    if "pred_instances" in sample:
        text += f", with what the model that chose them found (scores of {LEAST_SCORE} and more)"
    page.paragraph(f"{text}.")
    page.gallery(f"picks_{number:02d}", pictures)


def _features(page: Page, run: RunFolder, model: Any, number: int) -> Figure:
    files, rng = run.files.cycle(number), np.random.default_rng(number)
    picked, scores = files.picks(), list(files.scores())
    others = sorted(set(scores) - set(picked))
    labeled, others = (
        [names[i] for i in sorted(rng.choice(len(names), min(len(names), POINTS), replace=False))]
        for names in (files.labeled(), others)
    )
    path = page.folder / "tables" / f"features_{number:02d}_ids.txt"
    write_ids(path, [*labeled, *picked, *others])
    measured = measure_images([model], candidate_loader(run.config, path), frozenset({FEATURES}))
    groups = dict.fromkeys(labeled, "labelled") | dict.fromkeys(picked, "picked")
    assert measured.features is not None
    return plot_features(
        measured.features, [groups.get(name, "unlabelled") for name in measured.ids]
    )
