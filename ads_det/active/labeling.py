"""Labels that come back from an annotation tool: checked as a whole, then taken over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ads_det.active.history import history_of, rewrite
from ads_det.active.inputs import check_shown
from ads_det.active.oracle import Batch, labeled_ids
from ads_det.active.pool import Pool
from ads_det.active.settings import Settings, use_default_scope
from ads_det.data.notes import and_more
from ads_det.data.readable import list_images
from ads_det.engine.datasets import pool_config
from ads_det.engine.stored_config import read_config
from ads_det.errors import ADSError
from ads_det.labels.boxes import ImageLabels, same_boxes
from ads_det.labels.claims import image_elsewhere
from ads_det.labels.class_names import perhaps
from ads_det.labels.coco import read_coco
from ads_det.labels.complete import complete, scale_problem
from ads_det.labels.names import ImageNames
from ads_det.labels.read import read_labels
from ads_det.labels.store import LabelStore, free_name, owner_of
from ads_det.lock import lock_folder
from ads_det.work_files import INITIAL, RunFiles


@dataclass(frozen=True)
class Answer:
    """A checked import.

    Args:
        images: labelled, in the order of the batch; what their files did not say is filled in.
        undecided: ids of images without boxes of which the file cannot say whether somebody
            looked; left out of ``images`` unless that was decided.
        untouched: ids of images whose boxes are those that the model proposed; likewise.
        missing: ids of images of the batch that have no label yet.
    """

    images: list[ImageLabels]
    undecided: list[str]
    untouched: list[str]
    missing: list[str]


class OpenBatch:
    """The batch that waits for labels.

    Args:
        run: whose images it asks for.

    Raises:
        ADSError: if no batch waits, or the run is in use.
    """

    def __init__(self, run: LabeledRun) -> None:
        self.store, self.pool = run.store, run.pool
        self.classes = list(run.dataset["metainfo"]["classes"])
        self.paths = list_images(run.dataset["data_root"])
        cycle = self.pool.labeled_in.max(initial=-1)
        files = run.files.cycle(cycle) if cycle >= 0 else run.files.initial
        if not files.picks_list.exists():
            raise ADSError(
                f"No batch in {run.work_dir} waits for labels; go on with ads-det run "
                "--resume until it hands one out."
            )
        ids = files.picks()
        self.test_ids = [i for i in ids if i not in self.pool]
        self.batch = Batch(files, ids)
        if labeled_ids(run.dataset["labels"], self.batch) is not None:
            raise ADSError(
                f"The batch {files.name} has its labels already; go on with ads-det run "
                "--resume, or take them back with --undo."
            )

    def read(self, path: Path) -> list[ImageLabels]:
        """Content of an exported file or folder.

        Raises:
            ADSError: if its format is unknown or broken.
        """
        if (path / "ranked.csv").exists():
            raise ADSError(f"{path} was handed out; give what the annotation tool exported.")
        return read_labels(path, paths=self.paths)

    def check(
        self,
        found: Sequence[ImageLabels],
        ignore_others: bool = False,
        checked: bool = False,
        accept_proposals: bool = False,
    ) -> Answer:
        """Match a file's images to the batch and refuse whatever cannot be meant.

        Args:
            found: content of the file.
            ignore_others: leave out images that are not in the batch.
            checked: images without boxes of which the file does not say so were looked at.
            accept_proposals: boxes that the model proposed were found right.

        Raises:
            ADSError: names the first problem and the number of all.
        """
        of_batch, of_all, problems = ImageNames(self.batch.ids), ImageNames(self.paths), []
        proposed = {} if accept_proposals else self._proposals()
        matched: dict[str, ImageLabels] = {}
        wanted = set(self.batch.ids)
        before = {*self.pool.labeled()} - wanted
        covers_before = any(image.image in before for image in found)
        used, read = list[ImageLabels](), list[ImageLabels]()  # all but those passed over; usable
        for image in found:
            try:
                meant = {image.image} & (self.paths.keys() | wanted) or of_all.find(image.image)
                name = meant.pop() if len(meant) == 1 else of_batch.match(image.image)
                name = name or of_all.match(image.image)
            except ADSError as error:
                problems.append(str(error).removesuffix("."))
                continue
            other = name in self.paths and image_elsewhere(image.image, str(name), self.paths)
            if other or name is None or name not in wanted:
                if not ignore_others:
                    problems.append(self._stranger(image, name, other or None))
                    used.append(image)
                continue
            used.append(image)
            if covers_before and (also := meant & before):
                problems.append(
                    f"{image.image!r} may mean {name!r} or, labelled before, {min(also)!r}; write "
                    "the path relative to the folder of images"
                )
                continue
            if name not in self.paths:
                problems.append(f"the image {name!r} is gone from its folder; restore it")
                continue
            named = image.named(name)
            if accept_proposals or (name in proposed and same_boxes(named, proposed[name])):
                named = named.without_scores()
            completed, problem = complete(named, self.paths[name], self.classes)
            read.append(completed)
            previous = matched.get(name)
            if problem:
                problems.append(problem)
            elif previous is not None and previous.boxes != completed.boxes:
                problems.append(f"{image.image!r} occurs twice with other boxes; keep one of them")
            else:
                matched[name] = completed
        scale = scale_problem(read)
        if scale:
            problems.insert(0, scale)
        unknown = {b.name for i in used for b in i.boxes} - {*self.classes}
        if unknown:
            problems.insert(0, self._unknown_classes(sorted(unknown)))
        if problems:
            raise ADSError(f"Nothing was imported: {problems[0]}{and_more(len(problems) - 1)}.")
        untouched = [n for n, i in matched.items() if n in proposed and same_boxes(i, proposed[n])]
        undecided = [n for n, i in matched.items() if not i.boxes and i.checked is None]
        left_out = {*untouched, *([] if checked else undecided)}
        left_out |= {n for n, i in matched.items() if not i.boxes and i.checked is False}
        images = [
            replace(matched[n], checked=True)
            for n in self.batch.ids
            if n in matched and n not in left_out
        ]
        check_shown(self.batch.files.shown, self.paths, [image.image for image in images])
        known = self.store.read().keys() | {image.image for image in images}
        missing = [n for n in self.batch.ids if n not in known]
        return Answer(images, undecided, untouched, missing)

    def check_take(self, answer: Answer, go_on: bool) -> None:
        """Refuse an answer that the loop could not go on with.

        Args:
            answer: checked.
            go_on: whether to go on without the images that are missing.

        Raises:
            ADSError: if it labels nothing; or, if the loop would begin with it, shows no object
                to learn from or leaves test images without labels, on which all is measured.
        """
        if not answer.images and len(answer.missing) == len(self.batch.ids):
            raise ADSError("There is a label for no image of the batch: nothing to import.")
        if self.batch.name != INITIAL or (answer.missing and not go_on):
            return
        without = [name for name in answer.missing if name in self.test_ids]
        if without:
            raise ADSError(
                f"The test image {without[0]!r}{and_more(len(without) - 1)} has no label yet, and "
                "every cycle is measured on the test images; label it and import again."
            )
        known = self.store.read() | {image.image: image for image in answer.images}
        ours = {n for n in self.batch.ids if n in self.pool}
        if not any(known[n].usable().boxes for n in known.keys() & ours):
            raise ADSError(
                "None of the first images shows an object, so there is nothing to learn from; "
                "begin a new project with other first images (ads-det init --initial or --labels)."
            )
        tests = known.keys() & {*self.test_ids}
        if self.test_ids and not any(known[n].usable().boxes for n in tests):
            raise ADSError(
                "None of the test images shows an object, so nothing could be measured on them; "
                "begin a new project with other test images (ads-det init with --test)."
            )

    def take(self, answer: Answer, go_on: bool) -> Path:
        """Write the labels, in one step; from then on the loop may go on.

        Args:
            answer: Answer that passed :meth:`check_take`.
            go_on: if images are missing, go on without them: they return to the pool.

        Returns:
            The file.
        """
        closed_without = self.batch.ids if answer.missing and go_on else ()
        return self.store.add(answer.images, self.classes, self.batch.name, closed_without)

    def _proposals(self) -> dict[str, ImageLabels]:
        """Images for which the model proposed boxes."""
        path = self.batch.files.proposals
        found = read_coco(path) if path.exists() else ()
        return {i.image: i for image in found if (i := image.usable()).boxes}

    def _unknown_classes(self, names: list[str]) -> str:
        words = ", ".join(perhaps(name, self.classes) for name in names)
        return f"boxes of the class {words}, where the project has {self.classes}; rename them"

    def _stranger(self, image: ImageLabels, image_id: str | None, other: Path | None) -> str:
        if image_id is None or other is not None:
            what = "is none" if other is None else f"is {other}, none"
            remedy = "correct its name or delete it from the file"
            return f"the image {image.image!r} {what} of this project; {remedy}"
        since = dict(zip(self.pool.ids, self.pool.labeled_in, strict=True)).get(image_id, -1)
        where = f"was not asked for in the batch {self.batch.name}"
        if since >= 0:
            where = f"belongs to an earlier batch, the one that waits is {self.batch.name}"
        return f"the image {image_id!r} {where}; import only this batch, or pass --ignore-others"


class LabeledRun:
    """A run whose labels people give, kept from changing meanwhile.

    Args:
        work_dir: work directory of the run; its ``config.json`` says where the labels are.

    Raises:
        ADSError: if there is no such run, it is in use, or its labels are simulated.
    """

    def __init__(self, work_dir: Path) -> None:
        self.work_dir = work_dir
        if owner := owner_of(work_dir / "labels"):  # the folder of the project
            work_dir = self.work_dir = Path(owner)
        self.files = RunFiles(work_dir)
        if not self.files.pool.exists():
            raise ADSError(f"{work_dir} holds no run; name the work directory of one.")
        self._lock = lock_folder(work_dir)
        cfg = read_config(self.files.config)
        use_default_scope(cfg)
        self.settings = Settings.from_config(cfg)
        if self.settings.oracle != "human":
            raise ADSError(
                f"The run in {work_dir} has active_learning.oracle='simulated', whose labels are "
                "there already; ads-det init writes a config for labels that people give."
            )
        self.dataset = pool_config(cfg)
        self.store = LabelStore(self.dataset["labels"])
        self.store.check_claimed(work_dir)
        self.store.claim(work_dir)
        self.pool, self.facts = Pool.load(self.files.pool)

    def undo_import(self) -> str:
        """Take back the last import and everything that was trained on it.

        Neither the labels nor the cycles that trained on them are deleted: they are set aside.

        Returns:
            What was done, for the user.

        Raises:
            ADSError: if there is no import, or only the labels that the project began with.
        """
        path, batch = self.store.last()
        if batch != INITIAL and not batch.startswith("cycle_"):
            raise ADSError(
                f"{path} holds the labels that the project began with; make it anew (ads-det init)."
            )
        first = 0 if batch == INITIAL else int(batch.removeprefix("cycle_")) + 1
        done, cycles = [], self.files.cycles().items()
        kept = [cycle for number, cycle in cycles if number < first]
        history = history_of(self.settings, self.files, len(self.pool), kept)
        self.pool.unlabel(first)
        self.pool.save(self.files.pool, self.facts)
        rewrite(history)
        for cycle in [cycle for number, cycle in cycles if number >= first]:
            place = cycle.folder.rename(free_name(self.work_dir / f"undone_{cycle.name}"))
            done.append(f"; {cycle.name}, trained on it, is now {place.name}")
        return f"Took back {path.name}, now {self.store.set_aside(path)}" + "".join(done)
