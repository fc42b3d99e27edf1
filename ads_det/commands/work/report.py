"""The work of ``ads-det report``."""

import argparse
from pathlib import Path

from ads_det.benchmark.curves import plot_comparison
from ads_det.benchmark.decision import add_failures, add_picks, add_summary
from ads_det.benchmark.run_folder import find_runs
from ads_det.benchmark.sections import add_model, add_pool
from ads_det.benchmark.tables import comparison_tables, read_curves
from ads_det.console import say
from ads_det.errors import ADSError
from ads_det.files import read_json
from ads_det.report.page import Page


def main(args: argparse.Namespace) -> None:
    """See ``ads-det report --help``."""
    runs = find_runs(args.folders)
    metric, curves = read_curves(runs, args.metric)
    page = Page(args.out or args.folders[0] / "report", "Active learning report")
    method = args.run or next(iter(runs))
    run = runs[method][min(runs[method])]
    add_summary(page, run)
    page.heading("Learning curves")
    published = published_curves(args.published, runs)
    for name, by_objects in (("images", False), ("objects", True)):
        figure = plot_comparison(curves, metric, by_objects, () if by_objects else published)
        page.figure(f"curves_by_{name}", figure, f"{metric} over labelled {name}")
    page.heading("Tables")
    for table in comparison_tables(curves, args.ceiling):
        page.paragraph(table.caption)
        page.table(table.name, table.header, table.rows)
    add_picks(page, run)
    add_pool(page, run)
    if not args.no_model:
        add_failures(page, run)
        add_model(page, run)
    say(f"Done: {page.write()}")


def published_curves(figure: str | None, runs: dict) -> list[dict]:
    """Entries of the published results, in the units of these runs."""
    if figure is None:
        return []
    path = Path(__file__).resolve().parents[3] / "docs" / "published_results.json"
    entries = published_entries(read_json(path), figure)
    if not entries:
        raise ADSError(f"--published is {figure!r}, which {path} does not hold.")
    run = next(iter(next(iter(runs.values())).values()))
    pool = len(read_json(run.path / "pool.json")["images"])
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
