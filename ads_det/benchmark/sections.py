"""The sections of a report that look at one run."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.registry import DATASETS

from ads_det.active.scoring import measure_images
from ads_det.active.settings import prepare_data, use_default_scope
from ads_det.benchmark.run_folder import RunFolder
from ads_det.core.outputs import FEATURES
from ads_det.engine.datasets import (
    bare_dataset,
    candidate_dataset,
    candidate_loader,
    pool_config,
)
from ads_det.engine.training import evaluation_runner
from ads_det.files import write_ids
from ads_det.report.model_figures import plot_features, plot_predictions
from ads_det.report.page import Page
from ads_det.report.pool_figures import plot_class_histogram, plot_score_histograms, plot_seconds

SHOWN_PICKS = 6
UNLABELED_POINTS = 500  # of a t-SNE picture


def add_pool(page: Page, run: RunFolder) -> None:
    """Advice for who pays, classes acquired, scores of the pool, seconds of the stages."""
    page.heading(f"The pool of {run.name}")
    advice = run.history.get("advice") or {}  # None in the first cycles, not there in old runs
    for line in advice.get("text", "").splitlines():
        page.paragraph(line)
    use_default_scope(run.config)
    prepare_data(run.config)
    counts = [_class_counts(run, number) for number in range(len(run.rows))]
    page.figure("classes", plot_class_histogram(counts), "Labelled objects of each class")
    files = [run.files.cycle(i) for i in range(len(run.rows))]
    cycles = [(i, cycle.scores(), set(cycle.picks())) for i, cycle in enumerate(files)]
    scored = [cycle for cycle in cycles if cycle[1]]
    if scored:
        figure = plot_score_histograms(scored)
        page.figure("scores", figure, "Scores of the candidates in each cycle, picked ones in red")
    unreadable = run.rows[-1].unreadable_images
    if unreadable:
        page.paragraph(f"Left out since they cannot be read: {', '.join(unreadable)}.")
    page.heading("Time")
    page.figure("seconds", plot_seconds(run.rows), "Seconds of each stage in each cycle")
    stages = ("train", "evaluate", "select")
    rows = [
        [str(r.cycle), str(r.labeled_images), str(r.labeled_objects)]
        + [f"{r.seconds.get(stage, 0):.1f}" for stage in stages]
        for r in run.rows
    ]
    page.table("seconds", ["cycle", "images", "objects", *(f"{s}, s" for s in stages)], rows)


def _class_counts(run: RunFolder, number: int) -> dict[str, int]:
    dataset = bare_dataset(pool_config(run.config), ids=run.files.cycle(number).labeled())
    built = DATASETS.build(dataset)
    counts: dict[str, int] = built.class_counts()
    return counts


def add_model(page: Page, run: RunFolder) -> None:
    """Predictions and heat maps of the last picks, and the feature space of each cycle."""
    cfg = run.config
    files = [run.files.cycle(i) for i in range(len(run.rows))]
    cycles = [i for i, cycle in enumerate(files) if cycle.found_models()]
    images = candidate_dataset(cfg)
    last = max((i for i in cycles if files[i].picks()), default=None)
    if last is not None:
        page.heading(f"What the classifiers see in the first picks of cycle {last}")
        runner = evaluation_runner(cfg, files[last].found_models()[0], page.folder / "log")
        loader = candidate_loader(cfg, None)
        figure = plot_predictions(
            runner.model,
            loader,
            files[last].picks()[:SHOWN_PICKS],
            images.open_image,
            _classes(cfg),
        )
        page.figure(
            "predictions",
            figure,
            "classifier 1 red, classifier 2 blue; heat: the largest probability",
        )
    page.heading("Feature space")
    for number in cycles:
        runner = evaluation_runner(cfg, files[number].found_models()[0], page.folder / "log")
        page.figure(
            f"features_{number:02d}", _features(page, run, runner.model, number), f"Cycle {number}"
        )


def _classes(cfg: Any) -> tuple[str, ...]:
    dataset = DATASETS.build(bare_dataset(pool_config(cfg), lazy_init=True))
    if not dataset.metainfo.get("classes"):
        dataset.image_ids()  # class folders know theirs when they were read
    return tuple(dataset.metainfo["classes"])


def _features(page: Page, run: RunFolder, model: Any, number: int) -> Any:
    files = run.files.cycle(number)
    labeled, picked, scores = files.labeled(), set(files.picks()), list(files.scores())
    rng = np.random.default_rng(number)
    rest = [name for name in scores if name not in picked]
    some = rng.choice(len(rest), min(len(rest), UNLABELED_POINTS), replace=False)
    ids = [*labeled, *(name for name in scores if name in picked), *(rest[i] for i in sorted(some))]
    path = page.folder / "tables" / f"features_{number:02d}_ids.txt"
    write_ids(path, ids)
    measured = measure_images([model], candidate_loader(run.config, path), frozenset({FEATURES}))
    known = set(labeled)
    groups = [
        "labelled" if name in known else "picked" if name in picked else "unlabelled"
        for name in measured.ids
    ]
    assert measured.features is not None
    return plot_features(measured.features, groups)
