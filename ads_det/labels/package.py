"""What a person needs to label a batch: images, their order, and the model's proposals."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from PIL import Image

from ads_det.errors import ADSError
from ads_det.files import cannot_write, write_csv, write_text
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.coco import write_coco
from ads_det.labels.cvat import write_cvat
from ads_det.labels.label_studio import label_config, write_label_studio
from ads_det.labels.sizes import is_turned, read_upright, upright_size
from ads_det.labels.voc import write_voc

_WIDTH = 100  # of lines
_README = """Images to label: {count}. Classes: {classes}.

ranked.csv                    the images, the most wanted first{score}
images/                       the images; do not change them: they may be the originals, linked
{files}label_studio_config.xml       Label Studio's labelling interface
classes.txt                   one class a line

Draw each box tightly around all of an object that can be seen. An image without any object of the
classes is an answer too: save it without a box.{why}

{cvat}

{label_studio}

Tools for VOC or COCO (labelImg and others): open images{open}.

{then}
"""
_CVAT = """CVAT: make a task with the classes as labels and the images; {proposals}when done
"Export", format "CVAT for images 1.1".
"""
_LABEL_STUDIO = """Label Studio: start it with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and
LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to the full path of this folder. Make a project, paste
label_studio_config.xml as its interface (code); under its cloud storage settings add a source
storage of local files with the full path of the folder images and finish with "Save", not "Save &
Sync"; import {tasks}. Submit every image, also one without a box; skipped ones do not count. When
done export as JSON.
"""
# what is said only where the model proposes boxes
_PROPOSALS = """\
proposals/                    boxes that the model proposes, to be corrected; delete what is wrong
    coco.json                 COCO
    voc/                      VOC XML, one file an image with a box
    cvat.xml                  CVAT for images 1.1
    label_studio.json         Label Studio tasks with predictions
"""
_NO_PROPOSALS = """\
label_studio.json             Label Studio tasks
"""


def _readme(
    count: int, classes: Sequence[str], scored: bool, proposes: bool, why: str, then: str
) -> str:
    tasks = "proposals/label_studio.json" if proposes else "label_studio.json"
    upload = '"Upload annotations", format "CVAT 1.1", proposals/cvat.xml; ' if proposes else ""
    return _README.format(
        count=count,
        classes=", ".join(classes),
        score=", with the model's score" if scored else "",
        why=f"\n\n{textwrap.fill(why, _WIDTH)}" if why else "",
        then=then,
        files=_PROPOSALS if proposes else _NO_PROPOSALS,
        cvat=textwrap.fill(_CVAT.format(proposals=upload), _WIDTH),
        label_studio=textwrap.fill(_LABEL_STUDIO.format(tasks=tasks), _WIDTH),
        open=" and proposals/voc or proposals/coco.json" if proposes else "",
    )


def write_package(
    folder: Path,
    paths: Mapping[str, str],
    scores: Mapping[str, float],
    proposals: Mapping[str, ImageLabels],
    classes: Sequence[str],
    then: str = "",
    why: str = "",
) -> None:
    """Write a folder that an annotator can work with, whole or not at all.

    Args:
        folder: Folder to create; must not exist.
        paths: path of each image by its id, the most wanted first.
        scores: scores of the ids; empty if nothing ranked them.
        proposals: the model's boxes by id; images without an entry get none.
        classes: classes of the project.
        then: what to do with the labels, for ``README.txt``.
        why: how the proposals were chosen, or why there are none, for the same.

    Raises:
        ADSError: if it cannot be written, or two images would have the same name in it.
    """
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        images = [_link(path, temporary / "images", name) for name, path in paths.items()]
        labels = [
            _proposal(name, paths[key], proposals.get(key))
            for key, name in zip(paths, images, strict=True)
        ]
        rows = [
            (rank, name, scores.get(key, ""), len(image.boxes))
            for rank, (key, name, image) in enumerate(zip(paths, images, labels), start=1)
        ]
        write_csv(temporary / "ranked.csv", ("rank", "image", "score", "proposed_boxes"), rows)
        proposes = any(image.boxes for image in labels)
        tasks = temporary / "label_studio.json"
        if proposes:
            out = temporary / "proposals"
            out.mkdir()
            write_coco(labels, classes, out / "coco.json")
            write_voc(labels, classes, out / "voc")
            write_cvat(labels, classes, out / "cvat.xml")
            tasks = out / tasks.name
        write_label_studio(labels, classes, tasks, _local_file)
        write_text(temporary / "label_studio_config.xml", label_config(classes))
        write_text(temporary / "classes.txt", "".join(f"{name}\n" for name in classes))
        text = _readme(len(images), classes, bool(scores), proposes, why, then)
        write_text(temporary / "README.txt", text)
        os.rename(temporary, folder)
    except OSError as error:
        raise ADSError(cannot_write(folder, error)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _local_file(name: str) -> str:
    """The address that Label Studio serves a file of its document root at."""
    return f"/data/local-files/?d={quote(f'images/{name}')}"


def _link(path: str, folder: Path, image_id: str) -> str:
    """Link or copy an image; returns its name, the id with a suffix.

    One that a tag asks to turn is written upright, without the tag: not all tools obey it.
    """
    suffix = PurePosixPath(path).suffix
    name = image_id if image_id.endswith(suffix) else image_id + suffix
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):  # to write there would change the first of them, which is linked
        raise ADSError(
            f"Two images would be {name!r} in the folder to label, {path} and another; rename one."
        )
    upright = read_upright(path) if is_turned(path) else None
    if upright is not None:
        Image.fromarray(upright[..., ::-1]).save(target, quality=95)
        return name
    try:
        os.link(os.path.realpath(path), target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(path, target)
    return name


def _proposal(name: str, path: str, labels: ImageLabels | None) -> ImageLabels:
    if labels is None or not labels.width:
        return ImageLabels(name, *upright_size(path), checked=None)
    labels = labels.usable()  # an import refuses the others
    return replace(labels, image=name, checked=None)  # a person may correct the file in place
