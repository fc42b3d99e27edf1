"""The work of ``ads-det rank``."""

import argparse
import dataclasses
import functools

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from torch import nn

from ads_det.active.checks import check_strategies
from ads_det.active.fit_stage import FitStage
from ads_det.active.fitting import fit_strategy, load_fitted
from ads_det.active.proposals import propose_boxes
from ads_det.active.selection import select_images
from ads_det.active.settings import Settings, load_config, prepare_data
from ads_det.arguments import option_values
from ads_det.console import say
from ads_det.data.classification import ClassificationDataset
from ads_det.data.reduced import say_reduced
from ads_det.engine.datasets import candidate_dataset, candidate_loader
from ads_det.engine.foreign_config import class_names, foreign_config, is_foreign, load_detector
from ads_det.engine.methods import Plain
from ads_det.engine.run_settings import check_processes
from ads_det.engine.training import evaluation_runner
from ads_det.errors import ADSError
from ads_det.files import read_ids, write_atomic, write_ids
from ads_det.labels.package import write_package
from ads_det.labels.store import free_name
from ads_det.launchers import start_processes
from ads_det.lock import lock_folder
from ads_det.registry import STRATEGIES
from ads_det.report.gallery import plot_picks
from ads_det.scores import IN_TABLE
from ads_det.work_files import CycleFiles, SelectionFiles

CANDIDATES = "candidates.txt"  # the ids that are ranked; written before anything else


def read_settings(cfg: Config, args: argparse.Namespace) -> Settings:
    """The config's settings with what the command line says of number and strategy."""
    if cfg.get("active_learning") is not None:
        settings = Settings.from_config(cfg)
    elif args.number is None:
        raise ADSError(
            f"{args.config} has no `active_learning` block, which would say how many images to "
            "pick; pass --number."
        )
    else:  # one selection, and no cycle
        settings = Settings(
            initial=1, budget=args.number, cycles=1, strategy="ads_det.Entropy", metric="none"
        )
    options = option_values(args.strategy_options, "--strategy-options") or {}
    given = find_strategy(args.strategy) if args.strategy else settings.strategy
    given = dict(type=given) if isinstance(given, str) else dict(given)
    return dataclasses.replace(settings, strategy=given | options, initial_strategy=None)


def find_strategy(name: str) -> str:
    """The registered name of a strategy written in capital or small letters, with or without the
    scope."""
    STRATEGIES.import_from_location()
    known = {key.lower(): f"ads_det.{key}" for key in sorted(STRATEGIES.module_dict)}
    found = known.get(name.lower().removeprefix("ads_det."))
    if found is None:
        raise ADSError(f"--strategy is {name!r}; use one of {', '.join(known.values())}.")
    return found


def set_pool(cfg: Config, args: argparse.Namespace) -> Config:
    """The config whose pool holds the images to rank."""
    if is_foreign(cfg):
        if args.images is None:
            raise ADSError(
                f"{args.config} has no `candidate_dataloader`, so it names no images to rank; "
                "pass a folder of images with --images."
            )
        return foreign_config(cfg, args.images)
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
        cfg.pool = dict(type="ads_det.ImageFolderDataset", data_root=str(args.images))
        cfg.pop("train_dataloader", None)  # of other images
    return cfg


def check_new(files: SelectionFiles) -> None:
    """Refuse a folder that holds a finished ranking, or a package that is of none.

    Raises:
        ADSError: then.
    """
    out = files.folder
    if files.picks_list.exists():
        raise ADSError(f"{out} already holds a selection; choose another --out.")
    if files.package.exists() and not (out / CANDIDATES).exists():
        raise ADSError(f"{files.package} exists and is of no ranking; choose another --out.")


def main(args: argparse.Namespace) -> None:
    """See ``ads-det rank --help``."""
    start_processes(args.launcher, args.local_rank)
    cfg = load_config(args.config, option_values(args.cfg_options))
    cfg.launcher = args.launcher
    settings = read_settings(cfg, args)
    paths = (args.checkpoint, args.images, args.exclude, args.out)
    check_processes(cfg, settings, *paths, args.number, args.seed, args.threshold)
    if not is_foreign(cfg):
        check_strategies(settings, cfg, Plain())  # one checkpoint: one member
    strategy = settings.build_strategy()
    has_runner = not is_foreign(cfg)
    cfg = set_pool(cfg, args)
    files = CycleFiles(args.out)
    check_new(files)
    images = candidate_dataset(cfg)
    known = images.image_ids()
    if not known:
        raise ADSError(f"{images.where()} contains no image; check the folder.")
    excluded = set(read_ids(args.exclude)) if args.exclude else set()
    if not excluded <= set(known):
        stranger = min(excluded - set(known))
        raise ADSError(f"{args.exclude} names {stranger!r}, which is none of the images ranked.")
    ids = [i for i in known if i not in excluded]
    if not ids:
        raise ADSError(f"{args.exclude} names all {len(known)} images; leave some to be ranked.")
    if args.number is not None and args.number > len(ids):
        raise ADSError(f"--number is {args.number}, but there are {len(ids)} images to rank.")
    candidates = args.out / CANDIDATES
    if is_main_process():
        say_reduced(images.image_files())
        args.out.mkdir(parents=True, exist_ok=True)
        lock = lock_folder(args.out, "--out")
        check_new(files)  # another may have ended meanwhile
        if files.package.exists():  # of a ranking that was killed
            files.package.rename(free_name(files.package))
        write_ids(candidates, ids)
    barrier()

    @functools.cache
    def load_models() -> list[nn.Module]:
        if has_runner:
            return [evaluation_runner(cfg, args.checkpoint, args.out).model]
        return [load_detector(cfg, args.checkpoint)]

    if strategy.fits:
        remedy = "name their ids with --exclude FILE, or use another --strategy"
        stage = FitStage(cfg, args.exclude, candidates, args.seed, load_models, remedy)
        fit_strategy(strategy, stage, files.fitted)
        load_models.cache_clear()  # what it did to the models does not reach the scores
        load_fitted(strategy, files.fitted)
    selection = select_images(
        cfg,
        candidates,
        args.exclude,
        strategy,
        args.number or min(settings.budget, len(ids)),
        args.seed,
        load_models,
    )
    is_detector = not isinstance(images, ClassificationDataset)
    proposals = []
    if is_detector:  # every process takes its share
        proposals = propose_boxes(
            load_models()[0],
            candidate_loader(cfg, None),
            selection.picks,
            class_names(cfg, args.checkpoint),
            args.threshold,
        )
    if is_main_process():
        scores = dict(zip(selection.ids, selection.scores.tolist(), strict=True))
        if selection.picks:
            write_atomic(
                args.out / "picks.png",
                lambda file: plot_picks(selection.picks, images.open_image, scores, file),
            )
        if is_detector:
            paths, classes = images.image_paths(), class_names(cfg, args.checkpoint)
            write_package(
                files.package,
                {name: paths[name] for name in selection.picks},
                scores,
                {image.image: image for image in proposals},
                classes or sorted({box.name for image in proposals for box in image.boxes}),
                "Then begin a project with these labels: ads-det init IMAGES "
                "--labels EXPORTED_FILE --out PROJECT",
            )
        selection.write(files)
        lock.close()
    say(
        f"Done: {where_scores(len(selection.ids), files)}, the best {len(selection.picks)} in "
        f"{args.out / 'picks.txt'} and {args.out / 'picks.png'}"
        + (f", ready to be labelled in {args.out / 'to_label'}" if is_detector else "")
    )


def where_scores(number: int, files: SelectionFiles) -> str:
    """How many scores are in which file."""
    if number <= IN_TABLE:
        return f"{number} scores in {files.scores_table}"
    return f"{number} scores in {files.scores_array}, the best {IN_TABLE} in {files.scores_table}"
