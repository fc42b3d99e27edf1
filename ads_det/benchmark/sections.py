"""The sections of a report that look at one run."""

from __future__ import annotations

from mmengine.registry import DATASETS

from ads_det.benchmark.choices import classes_of
from ads_det.benchmark.run_folder import RunFolder
from ads_det.engine.datasets import (
    bare_dataset,
    candidate_dataset,
    candidate_loader,
    pool_config,
)
from ads_det.engine.training import evaluation_runner
from ads_det.report.model_figures import heat_pictures, plot_scale
from ads_det.report.page import Page
from ads_det.report.pool_figures import plot_class_histogram, plot_score_histograms, plot_seconds

SHOWN_PICKS = 4


def add_pool(page: Page, run: RunFolder) -> None:
    """Advice for those who pay, classes acquired, scores of the pool, seconds of the stages."""
    page.heading(f"The pool of {run.name}")
    advice = run.history.get("advice") or {}  # None in the first cycles, not there in old runs
    for line in advice.get("text", "").splitlines():
        page.paragraph(line)
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
    page.figure("seconds", plot_seconds(run.rows), "Seconds of each stage in each cycle")


def add_cycles(page: Page, run: RunFolder) -> None:
    """A table of the cycles: labels, the metric with its interval, seconds."""
    metric, stages = run.history["metric"], ("train", "evaluate", "select")
    rows = []
    for row in run.rows:
        value, ends = row.mean(metric), row.interval(metric)
        text = "" if value is None else f"{value:.4f}"
        text += f" ({ends[0]:.2f} to {ends[1]:.2f})" if ends else ""
        seconds = [f"{row.seconds.get(stage, 0):.1f}" for stage in stages]
        rows.append([str(row.cycle), str(row.labeled_images), str(row.labeled_objects), text])
        rows[-1] += seconds
    header = ["cycle", "images", "objects", metric.rpartition("/")[2]]
    page.table("seconds", [*header, *(f"{s}, s" for s in stages)], rows)


def _class_counts(run: RunFolder, number: int) -> dict[str, int]:
    dataset = bare_dataset(pool_config(run.config), ids=run.files.cycle(number).labeled())
    built = DATASETS.build(dataset)
    counts: dict[str, int] = built.class_counts()
    return counts


def add_model(page: Page, run: RunFolder) -> None:
    """Heat maps of the detector that chose last, in what it wanted most."""
    cfg, cycles = run.config, run.files.cycles()
    last = max((i for i, c in cycles.items() if c.picks() and c.found_models()), default=None)
    if last is None:
        return
    model = evaluation_runner(cfg, cycles[last].found_models()[0], page.folder / "log").model
    if not hasattr(model, "heat_maps"):
        return
    images, picks = candidate_dataset(cfg), cycles[last].picks()[:SHOWN_PICKS]
    loader, classes = candidate_loader(cfg, None), classes_of(cfg)
    pictures, most = heat_pictures(model, loader, picks, images.open_image, classes)
    page.heading(f"Where the model of cycle {last} sees objects")
    has_two = len(pictures) == 3 * len(picks)
    boxes = "boxes of classifier 1 red, covering the blue ones of 2 where both agree"
    page.paragraph(
        f"In what it chose first: {boxes if has_two else 'its boxes'}; beside them the largest "
        f"probability of a class at each place{', for each classifier' * has_two}."
    )
    page.figure("heat_scale", plot_scale(most), "Scale of all heat maps below")
    page.gallery("heat", pictures, kind="threes" if has_two else "")
