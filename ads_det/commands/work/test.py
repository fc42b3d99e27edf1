"""The work of ``ads-det test``."""

import argparse
import os
from pathlib import Path

from mmengine.dist import barrier, is_main_process

from ads_det.active.settings import load_config, prepare_data
from ads_det.arguments import option_values
from ads_det.cli import print_metrics
from ads_det.engine.complete_config import in_loop
from ads_det.engine.config_keys import leaves
from ads_det.engine.dry_loaders import check_loader
from ads_det.engine.run_settings import check_processes
from ads_det.engine.training import evaluation_runner
from ads_det.files import write_json
from ads_det.launchers import start_processes
from ads_det.out_paths import check_file


def main(args: argparse.Namespace) -> None:
    """See ``ads-det test --help``."""
    start_processes(args.launcher, args.local_rank)
    cfg = in_loop(load_config(args.config, option_values(args.cfg_options)))
    cfg.launcher = args.launcher
    check_processes(cfg, args.checkpoint, args.work_dir, args.out)
    check_loader(cfg, "test_dataloader")
    if args.out is not None:
        values = dict(leaves([cfg.test_dataloader.to_dict(), cfg.get("test_evaluator")])).values()
        read = [Path(v) for v in values if isinstance(v, str) and os.path.isfile(v)]
        check_file("--out", args.out, ".json", *read)
    if is_main_process():
        prepare_data(cfg)
    barrier()
    metrics = evaluation_runner(cfg, args.checkpoint, args.work_dir).test()
    print_metrics(metrics)
    if args.out is not None and is_main_process():
        write_json(args.out, {name: float(value) for name, value in metrics.items()})
