"""Labels that come back from an annotation tool: checked as a whole, then taken over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ads_det.active.oracle import CONTINUE_WITH, INITIAL, Batch, labeled_ids
from ads_det.active.pool import Pool
from ads_det.active.work_dir import WorkDir
from ads_det.data.pool_dataset import and_more
from ads_det.data.readable import list_images
from ads_det.errors import ADSError
from ads_det.files import read_ids, write_ids
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.coco import read_coco
from ads_det.labels.complete import complete
from ads_det.labels.read import ImageNames, read_labels
from ads_det.labels.store import LabelStore


@dataclass(frozen=True)
class Answer:
    """A checked import.

    Args:
        images: labelled, in the order of the batch; what their files did not say is filled in.
        undecided: images without boxes of which the file cannot say whether somebody looked.
        missing: images of the batch that have no label yet.
    """

    images: list[ImageLabels]
    undecided: list[ImageLabels]
    missing: list[str]


class OpenBatch:
    """The batch that waits for labels.

    Args:
        cfg: config of the run, with ``active_learning.oracle='human'``.
        work_dir: of the run, which is locked.

    Raises:
        ADSError: if no batch waits, or the run is in use.
    """

    def __init__(self, cfg: Config, work_dir: WorkDir) -> None:
        dataset = cfg.train_dataloader.dataset
        self.store = LabelStore(dataset["labels"])
        self.classes = list(dataset["metainfo"]["classes"])
        self.paths = list_images(dataset["data_root"])
        self.pool, _ = lock_and_read(work_dir)
        cycle = self.pool.labeled_in.max(initial=-1)
        name = f"cycle_{cycle:02d}" if cycle >= 0 else INITIAL
        folder = work_dir.path / name
        if not (folder / "picks.txt").exists():
            raise ADSError(
                f"No batch in {work_dir.path} waits for labels; run tools/al_loop.py with --resume "
                "until it hands one out."
            )
        ids = read_ids(folder / "picks.txt")
        self.test_ids = [i for i in ids if i not in self.pool]
        self.batch = Batch(name, folder, ids)
        if labeled_ids(dataset["labels"], self.batch) is not None:
            raise ADSError(
                f"The batch {name} has its labels already; go on with tools/al_loop.py --resume, "
                "or take them back with --undo."
            )

    def read(self, path: Path) -> list[ImageLabels]:
        """Content of an exported file or folder.

        Raises:
            ADSError: if its format is unknown or broken.
        """
        return read_labels(path, self.classes, self.paths)

    def check(
        self,
        found: Sequence[ImageLabels],
        ignore_others: bool = False,
        accept_proposals: bool = False,
    ) -> Answer:
        """Match a file's images to the batch and refuse whatever cannot be meant.

        Args:
            found: content of the file.
            ignore_others: leave out images that are not in the batch.
            accept_proposals: the model's boxes may be meant as they are.

        Raises:
            ADSError: names the first problem and the number of all.
        """
        names, problems = ImageNames(self.paths), []
        matched: dict[str, ImageLabels] = {}
        wanted = set(self.batch.ids)
        for image in found:
            image_id = names.match(image.image)
            if image_id not in wanted:
                if not ignore_others:
                    problems.append(self._stranger(image, image_id))
                continue
            assert image_id is not None
            named = image.named(image_id)
            if accept_proposals:
                named = named.without_scores()
            completed, problem = complete(named, self.paths[image_id], self.classes)
            previous = matched.get(image_id)
            if problem:
                problems.append(problem)
            elif previous is not None and previous.boxes != completed.boxes:
                problems.append(f"{image.image!r} occurs twice with other boxes; keep one of them")
            else:
                matched[image_id] = completed
        if problems:
            raise ADSError(f"Nothing was imported: {problems[0]}{and_more(len(problems) - 1)}.")
        if not accept_proposals and self._are_proposals(matched):
            raise ADSError(
                "Nothing was imported: all boxes are those that the model proposed, to the pixel; "
                "give the file that your annotation tool exported, or pass --accept-proposals if "
                "somebody found every one of them right."
            )
        undecided = [i for i in matched.values() if not i.boxes and i.checked is None]
        images = [
            replace(matched[i], checked=True)
            for i in self.batch.ids
            if i in matched and (matched[i].boxes or matched[i].checked)
        ]
        known = self.store.read().keys() | {image.image for image in images}
        return Answer(images, undecided, [i for i in self.batch.ids if i not in known])

    def take(self, answer: Answer, go_on: bool) -> Path:
        """Write the labels; from then on the loop may go on.

        Args:
            answer: checked.
            go_on: if images are missing, go on without them: they return to the pool.

        Raises:
            ADSError: if nothing would be taken, or test images are missing, without which no
                cycle could be evaluated.
        """
        if not answer.images and len(answer.missing) == len(self.batch.ids):
            raise ADSError("The file labels no image of the batch, so there is nothing to import.")
        without = [name for name in answer.missing if name in self.test_ids]
        if go_on and without:
            raise ADSError(
                f"The test image {without[0]!r}{and_more(len(without) - 1)} has no label yet, and "
                "every cycle is measured on the test images; label it and import again."
            )
        path = self.store.folder
        if answer.images:
            path = self.store.add(answer.images, self.classes, self.batch.name)
        if answer.missing and go_on:
            known = self.store.read()
            write_ids(self.batch.folder / CONTINUE_WITH, [i for i in self.batch.ids if i in known])
        return path

    def _are_proposals(self, images: Mapping[str, ImageLabels]) -> bool:
        """Whether nobody can have changed a box, since all are as handed out."""
        handed_out = self.batch.folder / "to_label/proposals/coco.json"
        proposed = {i.image: i for i in read_coco(handed_out)} if handed_out.exists() else {}
        names = [name for name, image in images.items() if image.boxes]
        return bool(names) and all(
            name in proposed and _same_boxes(images[name], proposed[name]) for name in names
        )

    def _stranger(self, image: ImageLabels, image_id: str | None) -> str:
        if image_id is None:
            return (
                f"the image {image.image!r} is none of this project; correct its name or delete it "
                "from the file"
            )
        since = dict(zip(self.pool.ids, self.pool.labeled_in, strict=True)).get(image_id, -1)
        if since >= 0:
            return (
                f"the image {image_id!r} was labelled for cycle {since} and is not in the batch "
                f"{self.batch.name}; import only this batch, or pass --ignore-others"
            )
        return (
            f"the image {image_id!r} was not asked for in the batch {self.batch.name}; import only "
            "this batch, or pass --ignore-others"
        )


def _same_boxes(first: ImageLabels, second: ImageLabels) -> bool:
    """Whether the boxes are the same but for rounding to whole pixels, in whatever order."""
    return len(first.boxes) == len(second.boxes) and all(
        any(
            a.name == b.name and all(abs(x - y) <= 0.51 for x, y in zip(a.corners, b.corners))
            for b in second.boxes
        )
        for a in first.boxes
    )


def lock_and_read(work_dir: WorkDir) -> tuple[Pool, dict[str, Any]]:
    """The pool of a run and the facts stored with it, after keeping others from changing them.

    Raises:
        ADSError: if there is no run, or it is in use.
    """
    if not work_dir.has_run():
        raise ADSError(
            f"{work_dir.path} holds no run; start it with tools/al_loop.py, or name its folder "
            "with --work-dir."
        )
    work_dir.lock()
    return Pool.load(work_dir.state)


def undo_import(cfg: Config, work_dir: WorkDir) -> str:
    """Take back the last import and everything that was trained on it.

    The cycle that trained on it is set aside under another name, not deleted.

    Returns:
        What was done, for the user.

    Raises:
        ADSError: if there is no import, or only the labels that the project began with.
    """
    store = LabelStore(cfg.train_dataloader.dataset["labels"])
    pool, facts = lock_and_read(work_dir)
    path, batch = store.last()
    if batch != INITIAL and not batch.startswith("cycle_"):
        raise ADSError(
            f"{path} holds the labels that the project began with, which no import brought; make "
            "the project anew with tools/init_project.py."
        )
    first = 0 if batch == INITIAL else int(batch.removeprefix("cycle_")) + 1
    pool.unlabel(first)
    pool.save(work_dir.state, facts)
    done = [f"Took back {path.name} ({len(store.read_file(path))} images)"]
    cycle = work_dir.path / f"cycle_{first:02d}"
    if cycle.exists():
        number = 1 + sum(1 for _ in work_dir.path.glob("undone_*"))
        cycle.rename(work_dir.path / f"undone_{number}_{cycle.name}")
        done.append(f"the cycle trained on it is now undone_{number}_{cycle.name}")
    (work_dir.path / batch / CONTINUE_WITH).unlink(missing_ok=True)
    path.unlink()
    return "; ".join(done)
