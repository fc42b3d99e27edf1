"""The input size of a project that began without labels, chosen when the first ones come."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from ads_det.active.labeling import LabeledRun
from ads_det.active.settings import load_config
from ads_det.active.work_dir import change_config
from ads_det.commands.init import BASE
from ads_det.engine.input_size import as_python, input_scale, with_input_size
from ads_det.engine.stored_config import read_config
from ads_det.files import write_text
from ads_det.labels.boxes import ImageLabels
from ads_det.labels.object_sizes import choose_input_size, relative_sizes, typical_side

END = "# What stands below is not of that import.\n"
MARK = "# The first import of labels chooses the input size here.\n"


def size_sentence(size: int, side: int, relative: np.ndarray) -> str:
    """What another input means.

    Args:
        size: side of the new square input, pixels.
        side: Side of the old input.
        relative: see :func:`~ads_det.labels.object_sizes.relative_sizes`; at least one.
    """
    median = np.median(relative)
    return (
        f"Input: {size} x {size} pixels instead of {side} x {side}, so that objects of the median "
        f"size have {median * size:.0f} pixels instead of {median * side:.0f}; a training takes "
        f"about {(size / side) ** 2:.1f} times as long."
    )


def choose_for_first_labels(run: LabeledRun, labels: Sequence[ImageLabels]) -> str:
    """Let the small SSD's input fit the objects, if nothing was trained yet, the project left it
    open and nobody changed it: in the project's ``detector.py`` and in the run's config.

    To be called before the labels are taken: cut short, it is done again with them.

    Args:
        run: whose first batch comes back.
        labels: Labels of the batch.

    Returns:
        A sentence for the user; empty if the input stays as it is.
    """
    path = Path(run.store.folder).parent / "detector.py"
    relative = relative_sizes(labels)
    if len(run.pool.labeled()) or not path.is_file() or MARK not in path.read_text("utf-8"):
        return ""
    base, cfg = load_config(BASE), read_config(run.files.config)
    scale = input_scale(base)
    assert scale is not None
    side = scale[0][0]
    size = choose_input_size(relative, typical_side([(i.width, i.height) for i in labels]))
    before, after = copy.deepcopy(cfg), copy.deepcopy(cfg)
    before.merge_from_dict(with_input_size(base, side, np.empty(0)))
    blocks = with_input_size(base, size, relative)
    after.merge_from_dict(blocks)
    text, _, rest = path.read_text("utf-8").partition(MARK)
    chosen, end, rest = rest.partition(END) if END in rest else ("", "", rest)
    known = [before, after]
    if end:  # by an import that was taken back
        known.append(copy.deepcopy(cfg))
        known[-1].merge_from_dict(Config.fromstring(chosen, ".py").to_dict())
    if cfg.to_dict() not in [one.to_dict() for one in known]:
        return ""
    (old, _), *_ = input_scale(cfg) or scale
    new = before if size == side else after
    if size == side and new.to_dict() == cfg.to_dict():
        return ""
    block = "" if size == side else as_python(blocks) + END
    write_text(path, text + MARK + block + rest)
    change_config(run.files, run.pool, run.facts, new)
    return size_sentence(size, side if old == size else old, relative)
