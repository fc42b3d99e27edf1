"""What a data set leaves out of its annotations or finds odd in them, said once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from ads_det.console import say_once
from ads_det.errors import ADSError
from ads_det.labels.boxes import is_usable, mostly_beyond, reaches_beyond
from ads_det.labels.class_names import check_spelling

MAX_NAMED = 20  # boxes of a file that a message names one by one


def and_more(count: int) -> str:
    """' (and 3 more)', or nothing."""
    return f" (and {count} more)" if count > 0 else ""


class Notes:
    """Boxes and objects of a data set that are not used, or hardly meant so."""

    def __init__(self) -> None:
        self.skipped: defaultdict[str, list[str]] = defaultdict(list)  # boxes by file
        self.beyond: defaultdict[str, list[str]] = defaultdict(list)
        self.other_classes: Counter[str] = Counter()  # objects that are not asked for

    def takes(self, file: str, box: Sequence[float], size: tuple[int, int], shown: object) -> bool:
        """Whether a box can be used; if not, or if it reaches far beyond the image, it is noted.

        Args:
            file: File that has the box, or its image.
            box: x1, y1, x2, y2 in pixels.
            size: width and height of the image in pixels.
            shown: the box as the file writes it.
        """
        if not is_usable(box, size):
            self.skipped[file].append(str(shown))
            return False
        if reaches_beyond(box, size):
            self.beyond[file].append(str(shown))
        return True

    def report(self, where: str, classes: Sequence[str], num_boxes: int, must_have: bool) -> None:
        """Say, once for each file, what was noted.

        Args:
            where: how messages name the data set.
            classes: Classes that are asked for.
            num_boxes: boxes that are used.
            must_have: whether there must be one.

        Raises:
            ADSError: if boxes are hardly those of these images, none is of the classes, or the name
                of a class is spelt in another way.
        """
        self._refuse_beyond(where, num_boxes)
        for what, noted in (
            ("Skipped {} box(es) without area or outside the image", self.skipped),
            ("{} box(es) that reach beyond the image", self.beyond),
        ):
            for file, boxes in noted.items():
                named = "; ".join(boxes[:MAX_NAMED]) + and_more(len(boxes) - MAX_NAMED)
                say_once(f"{what.format(len(boxes))} in {file}: {named}")
        if not self.other_classes:
            return
        check_spelling(where, self.other_classes, classes, "`metainfo.classes`")
        found = ", ".join(f"{name!r} ({n})" for name, n in self.other_classes.most_common(10))
        if num_boxes == 0 and must_have:
            raise ADSError(
                f"No object in {where} has one of the configured classes {tuple(classes)}; it "
                f"names {found}: correct `metainfo.classes`."
            )
        say_once(f"Ignored objects of other classes in {where}: {found}")

    @staticmethod
    def report_doubles(where: str, items: Sequence[dict]) -> None:
        """Say which images list an object twice: the copy counts as missed whatever is found.

        Args:
            where: how messages name the data set.
            items: with ``instances``.
        """
        doubled = {}
        for item in items:
            boxes = [(x["bbox_label"], *x["bbox"]) for x in item["instances"]]
            if len(set(boxes)) < len(boxes):
                doubled[item["img_path"]] = len(boxes) - len(set(boxes))
        if doubled:
            say_once(
                f"{sum(doubled.values())} object(s) of {where} are listed twice, class and box, "
                f"such as in {next(iter(doubled))}: the copies count as missed; delete them."
            )

    def _refuse_beyond(self, where: str, num_boxes: int) -> None:
        number = sum(map(len, self.beyond.values()))
        if not mostly_beyond(number, num_boxes):
            return
        file, boxes = next(iter(self.beyond.items()))
        raise ADSError(
            f"{number} of {num_boxes} boxes of {where} reach far beyond their images, such as "
            f"{boxes[0]} in {file}; correct them: perhaps they are of larger images, or give two "
            "corners where the format wants width and height."
        )
