"""The work of ``ads-det predict``."""

import argparse
import os
from collections.abc import Container, Iterable
from pathlib import PurePath

from ads_det.active.proposals import propose_boxes
from ads_det.active.settings import use_default_scope
from ads_det.console import progress_bar, say
from ads_det.data.classification import ClassificationDataset
from ads_det.data.readable import find_unreadable, list_images
from ads_det.data.reduced import say_reduced
from ads_det.engine.datasets import candidate_loader, class_names, dataset_class, pool_config
from ads_det.engine.stored_config import read_config
from ads_det.engine.training import evaluation_runner
from ads_det.errors import ADSError
from ads_det.files import LONGEST_NAME, write_atomic
from ads_det.labels.coco import write_coco
from ads_det.labels.sizes import open_upright
from ads_det.report.pictures import box_marks, draw_marks
from ads_det.work_files import RunFiles


def main(args: argparse.Namespace) -> None:
    """See ``ads-det predict --help``."""
    files = RunFiles(args.work_dir)
    cfg = read_config(files.config)
    use_default_scope(cfg)
    kind = dataset_class(pool_config(cfg))
    if kind is None or issubclass(kind, ClassificationDataset):
        raise ADSError(f"{args.work_dir} is no run of a detector, so it finds no boxes.")
    classes = class_names(pool_config(cfg))
    paths = list_images(args.images)
    if not paths:
        raise ADSError(f"{args.images} holds no image; name the folder that does.")
    unreadable = find_unreadable(paths)
    ids = [name for name in paths if name not in unreadable]
    if not ids:
        first = min(unreadable)
        raise ADSError(
            f"None of the {len(paths)} images of {args.images} can be read ({first}: "
            f"{unreadable[first]}); name another folder."
        )
    check_names(ids, paths)
    say_reduced({name: paths[name] for name in ids})
    args.out.mkdir(parents=True, exist_ok=True)
    model = evaluation_runner(
        cfg, files.cycle(args.cycle).found_models()[0], args.out / "log"
    ).model
    cfg.pool = dict(
        type="ads_det.ImageFolderDataset",
        data_root=str(args.images),
        metainfo=dict(classes=tuple(classes)),
    )
    cfg.pop("train_dataloader", None)  # of other images
    found = propose_boxes(model, candidate_loader(cfg, None), ids, classes, args.threshold)
    write_coco(found, classes, args.out / "coco.json")
    for labels in progress_bar(found, "draw"):
        target = args.out / "images" / picture_name(labels.image, paths)
        target.parent.mkdir(parents=True, exist_ok=True)
        image = open_upright(paths[labels.image])
        picture = draw_marks(image, box_marks(labels.boxes, classes))
        write_atomic(target, lambda file, p=picture: p.save(file, "JPEG", quality=90))
    for name, why in unreadable.items():
        say(f"left out: {name} ({why})")
    boxes = sum(len(labels.boxes) for labels in found)
    say(f"Done: {boxes} boxes in {len(found)} images, in {args.out / 'coco.json'} and")
    say(f"{args.out / 'images'}")


def check_names(ids: Iterable[str], images: Container[str]) -> None:
    """Refuse an image whose picture no folder could hold, before any is drawn.

    Raises:
        ADSError: names the image.
    """
    for name in ids:
        size = len(os.fsencode(PurePath(picture_name(name, images)).name))
        if size > LONGEST_NAME:
            raise ADSError(
                f"The image {name!r} has too long a name for its picture ({size} bytes, of which a "
                f"file can have {LONGEST_NAME}); shorten it."
            )


def picture_name(image: str, images: Container[str]) -> str:
    """The name of an image's picture, a JPEG, which no other image's picture has.

    Args:
        image: its id.
        images: ids of all images.
    """
    name = image
    while name in images if name != image else not name.endswith(".jpg"):
        name += ".jpg"
    return name
