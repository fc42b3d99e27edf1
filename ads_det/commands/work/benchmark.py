"""The work of ``ads-det benchmark``."""

import argparse
import re
import sys
from pathlib import Path

from mmengine.config import Config

from ads_det.active.settings import Settings, load_config, prepare_data
from ads_det.arguments import option_values
from ads_det.benchmark.methods import method_config, parse_methods, parse_trainings
from ads_det.benchmark.run_folder import find_runs
from ads_det.benchmark.runs import Benchmark
from ads_det.benchmark.tables import comparison_tables, read_curves
from ads_det.console import say
from ads_det.engine.dry_forward import try_step
from ads_det.engine.dry_run import check_config
from ads_det.engine.methods import build_method
from ads_det.engine.metric_names import check_metric
from ads_det.engine.model_config import classifiers_in
from ads_det.engine.training import check_training
from ads_det.errors import ADSError
from ads_det.files import write_text
from ads_det.threads import number_set


def main(args: argparse.Namespace) -> None:
    """See ``ads-det benchmark --help``."""
    cfg = load_config(args.config, option_values(args.cfg_options))
    if Settings.from_config(cfg).oracle == "human":
        raise ADSError(
            f"{args.config} waits for labels from people, which runs of a comparison cannot; use "
            "active_learning.oracle=simulated and a pool whose labels are known."
        )
    check_training(cfg)
    methods = parse_methods(args.methods)
    trainings = parse_trainings(args.training, methods)
    configs = {m: method_config(cfg, m, trainings) for m in methods}
    for config in configs.values():
        check_training(config)  # a mistake should not wait for its run
        check_config(config)
        try_step(config)
        if args.metric is not None:
            check_curve_metric(args.metric, config)
    if args.check:
        say(f"{args.config} is in order for {', '.join(m.name for m in configs)}; nothing written.")
        return
    prepare_data(cfg)  # once, not by several loops at the same time
    folder = args.work_dir or Path("work_dirs", f"benchmark_{args.config.stem}")
    benchmark = Benchmark(folder, cfg, configs, args.seeds)
    chosen = number_set()  # of this process; what the user set is of each
    threads = chosen if args.threads is None else max(chosen // args.jobs, 1)
    failed = benchmark.run(args.jobs, threads)
    again = f"{len(failed)} runs failed; run the command again when their cause is corrected."
    if failed and not any(folder.glob("*/seed_*/history.json")):
        sys.exit(again)  # there is nothing to compare
    metric, curves = read_curves(find_runs([folder]), args.metric)
    tables = [table.markdown() for table in comparison_tables(curves, args.ceiling)]
    text = "\n\n".join([f"Metric: {metric}.", *tables]) + "\n"
    write_text(folder / "comparison.md", text)
    say(text)
    say(f"Done: tables in {folder / 'comparison.md'}")
    if failed:
        sys.exit(again)


def check_curve_metric(metric: str, cfg: Config) -> None:
    """Refuse what ``metrics.json`` will not have.

    Args:
        metric: name there, which begins with the prediction measured.
        cfg: Run config.

    Raises:
        ADSError: then.
    """
    found = re.fullmatch(r"(member_0/)?(?:mean|classifiers|classifier_(\d+))/(.+)", metric)
    if found is None:
        raise ADSError(
            f"--metric is {metric!r}; name the prediction too, such as mean/{metric} or "
            f"classifier_1/{metric}."
        )
    check_metric(found[3], "--metric", cfg)
    method = build_method(cfg)
    most = classifiers_in(cfg.model) * (1 if found[1] else method.members)
    if found[2] and int(found[2]) > most:
        raise ADSError(f"--metric is {metric!r}, but not every method has as many classifiers.")
    if found[1] and method.members == 1:
        raise ADSError(f"--metric is {metric!r}, but not every method has members.")
