"""The work of ``ads-det report``."""

import argparse
from pathlib import Path
from typing import Any

from ads_det.active.settings import prepare_data, use_default_scope
from ads_det.benchmark.choices import add_choices, add_pictures
from ads_det.benchmark.curves import plot_comparison
from ads_det.benchmark.decision import add_failures, add_summary
from ads_det.benchmark.run_folder import RunFolder, find_runs
from ads_det.benchmark.runs import MANIFEST
from ads_det.benchmark.sections import add_cycles, add_model, add_pool
from ads_det.benchmark.tables import Curves, comparison_tables, read_curves
from ads_det.console import say
from ads_det.data.notes import and_more
from ads_det.engine.config_keys import leaves
from ads_det.errors import ADSError
from ads_det.files import read_json, read_table, shipped
from ads_det.report.curves import metric_label
from ads_det.report.page import Page
from ads_det.work_files import are_pool_images, read_stored_config

_NAMED = 3  # settings that a warning names
Runs = dict[str, dict[int, RunFolder]]  # by method and seed


def main(args: argparse.Namespace) -> None:
    """See ``ads-det report --help``."""
    runs = find_runs(args.folders)
    metric, curves = read_curves(runs, args.metric)
    page = Page(args.out or args.folders[0] / "report", "Active learning report")
    method = args.run or next(iter(runs))
    run = runs[method][min(runs[method])]
    use_default_scope(run.config)
    prepare_data(run.config)
    several = sum(map(len, runs.values())) > 1
    for sentence in [*missing_runs(args.folders), *unlike_measures(runs)]:
        say(f"WARNING: {sentence}")
        page.warning(sentence)
    add_summary(page, run)
    page.heading("Learning curves" if several else "Learning curve")
    published = published_curves(args.published, runs)
    intervals = {} if args.metric else intervals_of(runs)
    costs = [False, True] if several and costs_objects(curves) else [False]
    for by_objects in costs:
        name = "objects" if by_objects else "images"
        shown = () if by_objects else published
        figure = plot_comparison(curves, metric, by_objects, shown, intervals)
        page.figure(f"curves_by_{name}", figure, caption(metric, name, several, bool(intervals)))
    add_cycles(page, run)
    for table in comparison_tables(curves, args.ceiling):
        if several or table.name == "reach":  # of a single run the cycles are above
            page.paragraph(table.caption)
            page.table(table.name, table.header, table.rows)
    if args.no_model:
        add_pictures(page, run)
    else:
        add_failures(page, run)
        add_choices(page, run)
    add_pool(page, run)
    if not args.no_model:
        add_model(page, run)
    say(f"Done: {page.write()}")


def missing_runs(folders: list[Path]) -> list[str]:
    """A sentence for each method of a comparison of which not every run has a result.

    Args:
        folders: Folders of comparisons or runs.

    Raises:
        ADSError: if a ``manifest.json`` is damaged.
    """
    found = []
    for path in [folder / "manifest.json" for folder in folders]:
        content = read_table(path, **MANIFEST) if path.exists() else {}
        seeds = content.get("seeds", [])
        for method in content.get("methods", {}):
            runs = [path.parent / method / f"seed_{seed}" / "history.json" for seed in seeds]
            done = sum(run.exists() for run in runs)
            if done < len(seeds):
                found.append(
                    f"Of {method} in {path.parent} {done} of {len(seeds)} runs have a result (the "
                    f"comparison has the seeds {', '.join(map(str, seeds))})."
                )
    return found


def unlike_measures(runs: Runs) -> list[str]:
    """A sentence for each method that is measured otherwise than the first: on other images, or by
    another evaluator.

    Args:
        runs: by method and seed.
    """
    found, (first, *others) = [], [next(iter(by_seed.values())) for by_seed in runs.values()]
    measure = _measure(first)
    for run in others:
        other = _measure(run)
        differing = [
            f"{key} ({measure.get(key)}, {other.get(key)})"
            for key in dict.fromkeys([*measure, *other])
            if measure.get(key) != other.get(key)
        ]
        if differing:
            found.append(
                f"{run.path} is measured otherwise than {first.path}, so their numbers do not "
                f"compare: they differ in {', '.join(differing[:_NAMED])}"
                f"{and_more(len(differing) - _NAMED)}."
            )
    return found


def _measure(run: RunFolder) -> dict[str, Any]:
    """What decides what a metric means, by dotted keys."""
    config = read_stored_config(run.files.config)
    test = dict(config["test_dataloader"]["dataset"])
    test.pop("pipeline", None)
    parts = {"test_dataloader.dataset": test, "test_evaluator": config.get("test_evaluator")}
    return {key: value for name, part in parts.items() for key, value in leaves(part, name)}


def caption(metric: str, name: str, several: bool, has_intervals: bool) -> str:
    """What a learning curve shows, and what its band means."""
    text = f"{metric_label(metric.removeprefix('mean/'))} over labelled {name}"
    if has_intervals:
        text += "; band of a single run: where 95 % of the results lie for other test images"
    if several:
        text += "; band of several runs: a standard deviation to each side of their mean"
    return text


def intervals_of(runs: Runs) -> dict[str, list[tuple[float, float]]]:
    """The intervals over test images of the methods with a single run, whose evaluations say it."""
    found = {}
    for method, by_seed in runs.items():
        run = next(iter(by_seed.values()))
        ends = [row.interval(run.history["metric"]) for row in run.rows]
        if len(by_seed) == 1 and None not in ends:
            found[method] = [end for end in ends if end]
    return found


def costs_objects(curves: Curves) -> bool:
    """Whether objects are another cost than images."""
    return any(c.objects != c.images for by_seed in curves.values() for c in by_seed.values())


def published_curves(figure: str | None, runs: dict) -> list[dict]:
    """Entries of the published results, in the units of these runs."""
    if figure is None:
        return []
    path = shipped("docs", "published_results.json")
    entries = published_entries(read_json(path), figure)
    if not entries:
        raise ADSError(f"--published is {figure!r}, which {path} does not hold.")
    run = next(iter(next(iter(runs.values())).values()))
    pool = len(read_table(run.files.pool, images=are_pool_images)["images"])
    return [
        dict(
            e,
            x=[x / 100 * pool if e["x_unit"].startswith("percent") else x for x in e["x"]],
            y=[y / 100 for y in e["y"]],
        )
        for e in entries
    ]


def published_entries(entries: list[dict], figure: str) -> list[dict]:
    """All curves of a figure of the paper, and those of other papers on its data and model for
    methods that it does not show (the nearest relative, MI-AOD, beside Fig. 6)."""
    own = [e for e in entries if e["figure_or_table"] == figure]
    places = {(e["dataset"], e["model"]) for e in own}
    methods = {e["method"] for e in own}
    others = [
        e
        for e in entries
        if own and e["method"] not in methods and (e["dataset"], e["model"]) in places
        if e["paper"] != own[0]["paper"] and len(e["x"]) > 1 and e["x_unit"] == own[0]["x_unit"]
    ]
    return own + others
