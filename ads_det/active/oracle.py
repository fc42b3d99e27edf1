"""Who knows the labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.registry import DATASETS

from ads_det.active.inputs import check_shown, note_shown
from ads_det.console import say
from ads_det.data.readable import list_images
from ads_det.distributed import from_main, on_main
from ads_det.engine.datasets import bare_dataset
from ads_det.errors import ADSError
from ads_det.files import read_ids
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.coco import write_coco
from ads_det.labels.package import write_package
from ads_det.labels.store import LabelStore
from ads_det.work_files import SelectionFiles


@dataclass(frozen=True)
class Commands:
    """What the user may type next.

    Args:
        go_on: goes on with the run.
        bring: takes over labels.
    """

    go_on: str = "the command of this run again, with --resume"
    bring: str = "ads-det import WORK_DIR EXPORTED_FILE"


@dataclass(frozen=True)
class Batch:
    """Images to be labelled between two cycles.

    Args:
        files: files of the initial batch, or of the cycle that chose them.
        ids: the most wanted first.
        scores: score of each image, empty if nothing ranked them.
        propose: boxes that the current model proposes for some ids, and how they were chosen.
    """

    files: SelectionFiles
    ids: Sequence[str]
    scores: Mapping[str, float] = field(default_factory=dict)
    propose: Callable[[Sequence[str]], tuple[list[ImageLabels], str]] = lambda ids: ([], "")

    @property
    def name(self) -> str:
        """``'initial'`` or that of a cycle, such as ``'cycle_00'``."""
        return self.files.name


class Oracle(ABC):
    """Gives labels to the images that are chosen.

    Args:
        dataset: config of the pool.
    """

    def __init__(self, dataset: dict) -> None:
        self._dataset = dataset

    @abstractmethod
    def label(self, batch: Batch) -> list[str] | None:
        """The ids of the batch that have labels now, in its order; None if they are still to
        come."""

    def unlabeled_test_ids(self, cfg: Config) -> list[str]:
        """Test images without which no cycle can be measured and whose labels are to come."""
        return []

    def count_objects(self, ids: Sequence[str]) -> dict[str, int]:
        """Number of annotated objects of the configured classes in each labelled image."""
        if not ids:
            return {}
        objects: dict[str, int] = DATASETS.build(
            bare_dataset(self._dataset, ids=list(ids))
        ).count_objects()
        return objects


class SimulatedOracle(Oracle):
    """Answers at once from the annotations of a fully labelled data set.

    Only of the images that it is asked for are labels read; that each class occurs is checked once,
    when a run is opened (:func:`ads_det.engine.datasets.check_data`).
    """

    def label(self, batch: Batch) -> list[str]:
        return list(batch.ids)


class HumanOracle(Oracle):
    """Hands out what an annotation tool needs and waits for the import of its result.

    Args:
        dataset: config of the pool, an ``ads_det.ImageFolderDataset`` with
            ``labels``.
        work_dir: work directory of the run.
        commands: Commands shown to the user.

    Raises:
        ADSError: if the data set is another, or its labels belong to another run.
    """

    def __init__(self, dataset: dict, work_dir: Path, commands: Commands) -> None:
        super().__init__(dataset)
        self._commands = commands
        if not dataset.get("labels") or not dataset.get("metainfo"):
            raise ADSError(
                "active_learning.oracle='human' needs a `pool` of type "
                "ads_det.ImageFolderDataset with `labels` and `metainfo`; ads-det init "
                "writes such a config."
            )
        images = Path(dataset["data_root"]).resolve()
        if images in [work_dir.resolve(), *work_dir.resolve().parents]:
            raise ADSError(
                f"The work directory {work_dir} lies in the folder of images {images}, so its "
                "pictures would become images of the pool; choose another --work-dir."
            )
        if is_main_process():
            LabelStore(dataset["labels"]).claim(work_dir)

    def unlabeled_test_ids(self, cfg: Config) -> list[str]:
        test = cfg.test_dataloader.dataset
        if test.get("labels") != self._dataset["labels"] or not isinstance(test.get("ids"), str):
            return []
        known = LabelStore(self._dataset["labels"]).read()
        return [name for name in read_ids(test.ids) if name not in known]

    def label(self, batch: Batch) -> list[str] | None:
        labeled = from_main(lambda: labeled_ids(self._dataset["labels"], batch))
        if labeled is not None:
            on_main(lambda: check_shown(batch.files.shown, self._paths(), labeled))
            return labeled
        package = batch.files.package
        if not from_main(package.exists):
            self._hand_out(batch)
        known = LabelStore(self._dataset["labels"]).read()
        missing = sum(1 for name in batch.ids if name not in known)
        some = "" if missing == len(batch.ids) else f"{missing} of "
        say(
            f"\nNext: label {some}the {len(batch.ids)} images in {package} (its README.txt says "
            f"how).\nThen: {self._commands.bring}\nThen: {self._commands.go_on}"
        )
        return None

    def _hand_out(self, batch: Batch) -> None:
        classes = self._dataset["metainfo"]["classes"]
        proposals, why = batch.propose(batch.ids)  # of all processes: the model may be shared

        def write() -> None:
            every = self._paths()
            paths = {name: every[name] for name in batch.ids}
            # to tell later what nobody has touched
            write_coco(proposals, classes, batch.files.proposals)
            note_shown(batch.files.shown, paths)
            write_package(
                batch.files.package,
                paths,
                batch.scores,
                {image.image: image for image in proposals},
                classes,
                f"Then: {self._commands.bring}",
                why,
            )

        on_main(write)

    def _paths(self) -> dict[str, str]:
        return list_images(self._dataset["data_root"])


def labeled_ids(labels: str, batch: Batch) -> list[str] | None:
    """The labelled ids of a batch if it is complete, or if its owner went on with a part."""
    store = LabelStore(labels)
    known = store.read()
    answered = [name for name in batch.ids if name in known]
    is_whole = len(answered) == len(batch.ids) or store.is_closed(batch.name, batch.ids)
    return answered if is_whole else None
