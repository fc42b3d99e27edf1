"""The work of ``ads-det train``."""

import argparse
import copy
from pathlib import Path
from typing import IO

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process

from ads_det.active.settings import load_config, prepare_data
from ads_det.arguments import option_values
from ads_det.cli import print_metrics
from ads_det.console import say
from ads_det.distributed import from_main
from ads_det.engine.complete_config import in_loop
from ads_det.engine.datasets import candidate_dataset
from ads_det.engine.dry_forward import try_step
from ads_det.engine.dry_run import check_config
from ads_det.engine.pretrained import check_pretrained
from ads_det.engine.run_settings import changed_blocks, check_processes, fingerprint
from ads_det.engine.training import (
    check_training,
    delete_checkpoints,
    evaluation_runner,
    prepare_bfloat16,
    train_model,
    training_config,
)
from ads_det.errors import ADSError
from ads_det.files import read_ids, read_table, write_ids, write_json
from ads_det.launchers import start_processes
from ads_det.lock import lock_folder


def main(args: argparse.Namespace) -> None:
    """See ``ads-det train --help``."""
    start_processes(args.launcher, args.local_rank)
    cfg = in_loop(load_config(args.config, option_values(args.cfg_options)))
    cfg.launcher = args.launcher
    check_processes(cfg, args.seed, str(args.work_dir), args.resume)
    model = args.work_dir / "model.pth"
    if args.check:
        _check(cfg, args.labeled)
        say(f"{args.config} is in order; nothing was written.")
        return
    if not args.resume and (model.exists() or (args.work_dir / "train").exists()):
        raise ADSError(
            f"{args.work_dir} already holds a training; choose another --work-dir, or add --resume "
            "to continue it."
        )
    _check(cfg, args.labeled)
    prepare_bfloat16(cfg)
    check_pretrained(cfg)
    if is_main_process():
        prepare_data(cfg)
    barrier()
    lock = begin(cfg, args) if is_main_process() else None
    barrier()
    if args.unlabeled is None:
        args.unlabeled = args.work_dir / "unlabeled.txt"
    train = args.work_dir / "train"
    runner = (
        evaluation_runner(cfg, model, train)  # all that was missing
        if from_main(model.exists)
        else train_model(
            training_config(cfg, train, args.labeled, args.unlabeled, args.seed), model
        )
    )
    if lock is not None:
        delete_checkpoints(train)
    print_metrics(runner.test())
    if lock is not None:
        lock.close()
    say(f"Done: weights in {model}")


def _check(cfg: Config, labeled: Path) -> None:
    """Refuse a config that cannot be trained by with as many images as a list has."""
    if check_training(cfg).reads_labels:
        raise ADSError(
            "method.positive_filter='oracle' is the loop's: pass --unlabeled "
            "<work-dir>/cycle_NN/positive.txt and set method.positive_filter=none."
        )
    alone = copy.deepcopy(cfg)
    if isinstance(alone.get("active_learning"), dict):
        alone.active_learning.update(initial=len(read_ids(labeled)), cycles=1)
    check_config(alone)
    try_step(cfg)


def check_ids(cfg: Config, args: argparse.Namespace) -> None:
    """Refuse lists that the data cannot answer.

    Raises:
        ADSError: if an id is unknown, or stands in both lists.
    """
    known, labeled = set(candidate_dataset(cfg).image_ids()), set(read_ids(args.labeled))
    for path in filter(None, (args.labeled, args.unlabeled)):
        strange = next((name for name in read_ids(path) if name not in known), None)
        if strange is not None:
            raise ADSError(
                f"{path} names {strange!r}, which the data set does not have; correct or delete "
                "that line."
            )
    if args.unlabeled is not None:
        both = next((name for name in read_ids(args.unlabeled) if name in labeled), None)
        if both is not None:
            raise ADSError(f"{both!r} is in {args.labeled} and {args.unlabeled}; keep it in one.")


def begin(cfg: Config, args: argparse.Namespace) -> IO[str]:
    """Lock the folder, note what is trained there, or compare with what was noted."""
    labeled = read_ids(args.labeled)
    check_ids(cfg, args)
    args.work_dir.mkdir(parents=True, exist_ok=True)
    lock = lock_folder(args.work_dir)
    path = args.work_dir / "training.json"
    if (args.work_dir / "model.pth").exists() and not path.exists():
        raise ADSError(
            f"{args.work_dir} holds a model.pth that no ads-det train wrote; choose another "
            "--work-dir."
        )
    unlabeled = None if args.unlabeled is None else read_ids(args.unlabeled)
    facts = dict(seed=args.seed, labeled=labeled, unlabeled=unlabeled, config=fingerprint(cfg))
    if not path.exists():
        write_json(path, facts)
    stored = read_table(path, **dict.fromkeys(facts, lambda value: True))
    changed = [n for n in ("seed", "labeled", "unlabeled") if stored[n] != facts[n]]
    theirs = stored["config"] if isinstance(stored["config"], dict) else {}
    changed += changed_blocks(theirs, cfg)
    if changed:
        raise ADSError(
            f"The training in {args.work_dir} was started with another {changed[0]}; use the same "
            "or another --work-dir."
        )
    if args.unlabeled is None:
        known = set(labeled)
        ids = candidate_dataset(cfg).image_ids()
        write_ids(args.work_dir / "unlabeled.txt", (i for i in ids if i not in known))
    return lock
