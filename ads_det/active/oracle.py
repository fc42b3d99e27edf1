"""Who knows the labels."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import barrier, broadcast_object_list, is_main_process
from mmengine.registry import DATASETS

from ads_det.console import say
from ads_det.data.readable import list_images
from ads_det.engine.training import bare_dataset
from ads_det.errors import ADSError
from ads_det.files import read_ids
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.coco import write_coco
from ads_det.labels.package import write_package
from ads_det.labels.store import LabelStore

INITIAL = "initial"  # the batch before the first cycle
PROPOSALS = "proposals.json"  # in a batch's folder: the boxes as they were handed out


@dataclass(frozen=True)
class Batch:
    """Images to be labelled between two cycles.

    Args:
        name: ``'initial'``, or the cycle that chose them, such as ``'cycle_00'``.
        folder: of that cycle.
        ids: the most wanted first.
        scores: of each, empty if nothing ranked them.
        propose: boxes that the current model proposes for some ids.
    """

    name: str
    folder: Path
    ids: Sequence[str]
    scores: Mapping[str, float] = field(default_factory=dict)
    propose: Callable[[Sequence[str]], list[ImageLabels]] = lambda ids: []


class Oracle(ABC):
    """Gives labels to the images that are chosen.

    Args:
        dataset: config of the training data set.
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

    It is the only thing that reads labels of the pool, and only of the images it is asked for.
    """

    def label(self, batch: Batch) -> list[str]:
        return list(batch.ids)


class HumanOracle(Oracle):
    """Hands out what an annotation tool needs and waits for the import of its result.

    Args:
        dataset: config of the training data set, an ``ads_det.ImageFolderDataset`` with
            ``labels``.
        work_dir: of the run.
        resume: the command that goes on, for the user.

    Raises:
        ADSError: if the data set is another, or its labels belong to another run.
    """

    def __init__(self, dataset: dict, work_dir: Path, resume: str) -> None:
        super().__init__(dataset)
        self._work_dir, self._resume = work_dir, resume
        if not dataset.get("labels") or not dataset.get("metainfo"):
            raise ADSError(
                "active_learning.oracle='human' needs a train_dataloader.dataset of type "
                "ads_det.ImageFolderDataset with `labels` and `metainfo`; tools/init_project.py "
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
        labeled = labeled_ids(self._dataset["labels"], batch)
        answer = [labeled if is_main_process() else None]
        broadcast_object_list(answer, src=0)  # one process decides; the others may see less
        if answer[0] is not None:
            return answer[0]
        package = batch.folder / "to_label"
        there = [package.exists()]
        broadcast_object_list(there, src=0)
        if not there[0]:
            self._hand_out(batch, package)
        known = LabelStore(self._dataset["labels"]).read()
        missing = sum(1 for name in batch.ids if name not in known)
        some = "" if missing == len(batch.ids) else f"{missing} of "
        say(
            f"\nNext: label {some}the {len(batch.ids)} images in {package} (its README.txt says "
            f"how).\nThen: {self._importing}\nThen: {self._resume}"
        )
        return None

    @property
    def _importing(self) -> str:
        command = ["python", "tools/import_labels.py", str(self._work_dir), "EXPORTED_FILE"]
        return shlex.join(command)

    def _hand_out(self, batch: Batch, package: Path) -> None:
        classes = self._dataset["metainfo"]["classes"]
        proposals = batch.propose(batch.ids)  # of all processes: the model may be shared
        if is_main_process():
            paths = list_images(self._dataset["data_root"])
            # to tell later what nobody has touched
            write_coco(proposals, classes, batch.folder / PROPOSALS)
            write_package(
                package,
                {name: paths[name] for name in batch.ids},
                batch.scores,
                {image.image: image for image in proposals},
                classes,
                f"Then: {self._importing}",
            )
        barrier()


def labeled_ids(labels: str, batch: Batch) -> list[str] | None:
    """The labelled ids of a batch if it is complete, or if its owner went on with a part."""
    store = LabelStore(labels)
    known = store.read()
    answered = [name for name in batch.ids if name in known]
    is_whole = len(answered) == len(batch.ids) or store.is_closed(batch.name)
    return answered if is_whole else None
