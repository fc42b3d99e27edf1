"""Evaluate a checkpoint: the metric of the mean of both classifiers, of f1 and of f2."""

import sys
from pathlib import Path

# else this folder's select.py would stand in for the standard library's
sys.path[:] = [p for p in sys.path if Path(p).resolve() != Path(__file__).resolve().parent]

from ads_det.errors import exit_without_stack

exit_without_stack()

import argparse

from mmengine.dist import barrier, is_main_process

from ads_det.active.settings import load_config, prepare_data
from ads_det.cli import add_common_options, print_metrics, run_tool, start_processes
from ads_det.engine.training import evaluation_runner
from ads_det.files import write_json


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: python tools/test.py configs/ssd_digits_ads.py "
        "work_dirs/demo/cycle_04/model.pth",
    )
    parser.add_argument("config", help="config with test_dataloader and test_evaluator")
    parser.add_argument("checkpoint", type=Path, help="weights, e.g. <work-dir>/cycle_04/model.pth")
    parser.add_argument("--out", type=Path, help="also write the metrics to this JSON file")
    parser.add_argument(
        "--work-dir", type=Path, default=Path("work_dirs/test"), help="where the log goes"
    )
    add_common_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    start_processes(args.launcher, args.local_rank)
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if is_main_process():
        prepare_data(cfg)
    barrier()
    metrics = evaluation_runner(cfg, args.checkpoint, args.work_dir).test()
    print_metrics(metrics)
    if args.out is not None and is_main_process():
        write_json(args.out, {name: float(value) for name, value in metrics.items()})


if __name__ == "__main__":
    run_tool(main)
