"""Weights of a detector that was trained for other classes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ads_det.engine.checkpoints import fits

_NOISE = 0.1  # of f2's carried weights, in standard deviations of the layer: equal classifiers
# would never disagree
_BOXES = re.compile(r"(^|[._])(fc_reg|reg|bbox)")


@dataclass
class Transfer:
    """What became of each tensor, by name.

    Args:
        loaded: taken as they are.
        carried: of the classification layer: rows of classes whose names match.
        drawn: of the model, not in the checkpoint in this shape: as they were initialised.
        left: of the checkpoint, without a place in the model.
        classes: names of the classes carried over.
    """

    loaded: list[str] = field(default_factory=list)
    carried: list[str] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)

    def sentence(self, path: str) -> str:
        """One line for the user."""
        text = f"Of {path} {len(self.loaded)} tensors were loaded"
        if self.carried:
            named = ", ".join(self.classes[:5]) + (", ..." if len(self.classes) > 5 else "")
            text += f"; {_few(self.carried)} in the rows of {named}, the rest of them drawn anew"
        text += f"; {_few(self.drawn)} drawn anew" if self.drawn else ""
        text += f"; {_few(self.left)} left over" if self.left else ""
        return f"{text}."


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more


@torch.no_grad()
def carry_classes(
    model: nn.Module,
    given: Mapping[str, Any],
    given_classes: Sequence[str],
    classes: Sequence[str],
) -> Transfer:
    """Copy the rows of the classes that both know into layers whose number of rows differs.

    Everything that fits must have been loaded before. A second classifier (``name2`` beside
    ``name``) that the checkpoint lacks gets the rows of the first, moved by noise of a tenth of
    their deviation, drawn from torch's global generator.

    Args:
        model: its other rows stay as they are.
        given: tensors of the checkpoint by name.
        given_classes: its classes in their order; empty if it does not say.
        classes: the model's.
    """
    transfer, used = Transfer(), set()
    pairs = [(i, given_classes.index(n)) for i, n in enumerate(classes) if n in given_classes]
    for name, own in model.state_dict().items():
        first = next((k for k in _sources(name) if k in given), None)
        source = None if first is None else given[first]
        used.add(first)
        is_second = first is not None and first != name
        if not is_second and source is not None and fits(source, own):
            transfer.loaded.append(name)
        elif isinstance(source, Tensor) and source.shape[1:] == own.shape[1:] and own.dim():
            sizes = len(given_classes), len(classes)
            rows = _rows(source.shape[0], own.shape[0], sizes, pairs, bool(_BOXES.search(name)))
            if not rows:
                transfer.drawn.append(name)
                continue
            mine, theirs = (list(side) for side in zip(*rows))
            values = source[theirs].to(own)
            if is_second:
                values = values + _NOISE * source.float().std(correction=0) * torch.randn_like(
                    values
                )
            own[mine] = values
            transfer.carried.append(name)
        else:
            transfer.drawn.append(name)
    transfer.classes = [classes[i] for i, _ in pairs] if transfer.carried else []
    transfer.left = [name for name in given if name not in used]
    return transfer


def _sources(name: str) -> Iterator[str]:
    """The name itself, then those of f1's tensors if it may be one of f2."""
    yield name
    parts = name.split(".")
    for i, part in enumerate(parts):
        if part.endswith("2") and len(part) > 1:
            yield ".".join([*parts[:i], part[:-1], *parts[i + 1 :]])


def _rows(
    given: int, own: int, sizes: tuple[int, int], pairs: list[tuple[int, int]], of_boxes: bool
) -> list[tuple[int, int]]:
    """Rows of the model and of the checkpoint that belong together; none if the numbers of rows
    are not those of classes.

    A row is (anchor, class) with, under softmax, a last class for the background; in a branch of
    boxes it is (class, coordinate).
    """
    if not pairs:
        return []
    for background in (0,) if of_boxes else (0, 1):
        theirs, mine = (size + background for size in sizes)
        if given % theirs or own % mine or given // theirs != own // mine:
            continue
        groups = given // theirs
        both = [*pairs, *([(mine - 1, theirs - 1)] if background else [])]
        if of_boxes:
            return [(i * groups + g, j * groups + g) for i, j in both for g in range(groups)]
        return [(g * mine + i, g * theirs + j) for g in range(groups) for i, j in both]
    return []
