"""Rank the images of a config's pool, or of any folder of images, with a checkpoint."""

import sys
from pathlib import Path

# else this folder's select.py would stand in for the standard library's
sys.path[:] = [p for p in sys.path if Path(p).resolve() != Path(__file__).resolve().parent]

from ads_det.errors import exit_without_stack

exit_without_stack()

import argparse

from mmengine.dist import barrier, is_main_process

from ads_det.active.selection import select_images
from ads_det.active.settings import Settings, load_config, prepare_data
from ads_det.cli import add_common_options, run_tool, start_processes
from ads_det.console import say
from ads_det.data.classification import ClassificationDataset
from ads_det.engine.training import candidate_dataset, evaluation_runner
from ads_det.errors import ADSError
from ads_det.files import read_ids, write_ids


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Examples: python tools/select.py configs/ssd_digits_ads.py "
        "work_dirs/demo/cycle_04/model.pth --exclude work_dirs/demo/cycle_04/labeled.txt; "
        "python tools/select.py my_config.py model.pth --images photos/ --number 200. No "
        "annotation is read. Writes scores.csv (all ids, best first) and picks.txt.",
    )
    parser.add_argument("config", help="config the checkpoint was trained with")
    parser.add_argument("checkpoint", type=Path, help="weights, e.g. <work-dir>/cycle_04/model.pth")
    parser.add_argument("--images", type=Path, help="rank this folder instead of the pool")
    parser.add_argument("--exclude", type=Path, help="id list of images to leave out (labelled)")
    parser.add_argument(
        "--number", type=int, help="how many to pick (default: active_learning.budget)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of a random strategy (default: 0)")
    parser.add_argument(
        "--out", type=Path, default=Path("work_dirs/select"), help="folder to write to"
    )
    add_common_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    start_processes(args.launcher, args.local_rank)
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    settings = Settings.from_config(cfg)
    if args.seed < 0:
        raise ADSError(f"--seed is {args.seed}; use 0 or more.")
    if args.images is None:
        if is_main_process():
            prepare_data(cfg)
        barrier()
    elif isinstance(candidate_dataset(cfg), ClassificationDataset):
        raise ADSError(
            "--images ranks files for a detector; a classifier ranks the pool of its config, so "
            "name the folder there (train_dataloader.dataset.data_root)."
        )
    else:
        cfg.candidate_dataloader.dataset.update(
            type="ads_det.ImageFolderDataset", data_root=str(args.images), ann_file=""
        )
    if (args.out / "picks.txt").exists():
        raise ADSError(f"{args.out} already holds a selection; choose another --out.")
    if args.number is not None and args.number < 1:
        raise ADSError(f"--number is {args.number}; ask for 1 image or more.")
    known = candidate_dataset(cfg).image_ids()
    excluded = set(read_ids(args.exclude)) if args.exclude else set()
    if not excluded <= set(known):
        stranger = min(excluded - set(known))
        raise ADSError(f"{args.exclude} names {stranger!r}, which is none of the images ranked.")
    ids = [i for i in known if i not in excluded]
    candidates = args.out / "candidates.txt"
    if is_main_process():
        args.out.mkdir(parents=True, exist_ok=True)
        write_ids(candidates, ids)
    barrier()
    selection = select_images(
        cfg,
        candidates,
        args.exclude,
        settings.build_strategy(),
        args.number or min(settings.budget, len(ids)),
        args.seed,
        lambda: evaluation_runner(cfg, args.checkpoint, args.out).model,
    )
    if is_main_process():
        selection.write(args.out)
    say(
        f"Done: {len(ids)} scores in {args.out / 'scores.csv'}, the best {len(selection.picks)} in "
        f"{args.out / 'picks.txt'}"
    )


if __name__ == "__main__":
    run_tool(main)
