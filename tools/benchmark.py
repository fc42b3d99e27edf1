"""Compare ways of training and selecting over several seeds, on the same initial images."""

import sys
from pathlib import Path

# else this folder's select.py would stand in for the standard library's
sys.path[:] = [p for p in sys.path if Path(p).resolve() != Path(__file__).resolve().parent]

from ads_det.errors import exit_without_stack

exit_without_stack()

import argparse
import os

from mmengine.config import DictAction

from ads_det.active.settings import Settings, load_config, prepare_data
from ads_det.benchmark.methods import method_config, parse_methods, parse_training
from ads_det.benchmark.run_folder import find_runs
from ads_det.benchmark.runs import Benchmark
from ads_det.benchmark.tables import comparison_tables, read_curves
from ads_det.cli import run_tool
from ads_det.console import say
from ads_det.engine.training import check_training
from ads_det.errors import ADSError
from ads_det.files import write_text

TWO_BY_TWO = ("plain+random", "plain+entropy", "ads+random", "ads+entropy")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: python tools/benchmark.py configs/resnet8_digits_ads.py --seeds 0 1 2 "
        "--jobs 2. A method is TRAINING+STRATEGY. Trainings: plain (no phases), equal (plain with "
        "as many updates as ADS makes), ads (the config), or yours. Run the same command again to "
        "go on; finished runs are kept. Writes METHOD/seed_N (work directories of al_loop.py), "
        "manifest.json and comparison.md.",
    )
    parser.add_argument("config", help="an ADS config, see configs/")
    parser.add_argument(
        "--methods", nargs="+", default=TWO_BY_TWO, help="default: {plain, ads} x {random, entropy}"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument(
        "--training",
        action="append",
        default=[],
        metavar="'NAME: KEY=VALUE ...'",
        help="a training of your own: changes of the config, e.g. "
        "'ads_none: method.weighting=none'",
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs at once (default: 1)")
    parser.add_argument(
        "--work-dir", type=Path, help="where to write (default: work_dirs/benchmark_<config>)"
    )
    parser.add_argument(
        "--metric", help="to compare (default: that of the config, mean prediction)"
    )
    parser.add_argument(
        "--ceiling", type=float, help="result with all labels, for the labels needed to reach it"
    )
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE", help="for all methods"
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if args.jobs < 1:
        raise ADSError(f"--jobs is {args.jobs}; use 1 or more.")
    cfg = load_config(args.config, args.cfg_options)
    Settings.from_config(cfg)
    check_training(cfg)
    trainings = dict(map(parse_training, args.training))
    configs = {m: method_config(cfg, m, trainings) for m in parse_methods(args.methods)}
    for config in configs.values():
        check_training(config)  # a mistake should not wait for its run
    prepare_data(cfg)  # once, not by several loops at the same time
    folder = args.work_dir or Path("work_dirs", f"benchmark_{Path(args.config).stem}")
    loop = Path(__file__).resolve().with_name("al_loop.py")
    benchmark = Benchmark(folder, cfg, configs, args.seeds, loop)
    threads = max((os.cpu_count() or 1) // args.jobs, 1)
    failed = benchmark.run(args.jobs, int(os.environ.get("OMP_NUM_THREADS", threads)))
    metric, curves = read_curves(find_runs([folder]), args.metric)
    tables = [table.markdown() for table in comparison_tables(curves, args.ceiling)]
    text = "\n\n".join([f"Metric: {metric}.", *tables]) + "\n"
    write_text(folder / "comparison.md", text)
    say(text)
    say(f"Done: tables in {folder / 'comparison.md'}")
    if failed:
        sys.exit(f"{len(failed)} runs failed; run the command again when their cause is mended.")


if __name__ == "__main__":
    run_tool(main)
