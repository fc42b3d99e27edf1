"""Weights of a detector that was trained for other classes, row by row."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.config import ConfigDict
from torch import Tensor, nn

from ads_det.engine.checkpoints import fits
from ads_det.engine.model_config import find_settings, with_setting
from ads_det.registry import MODELS

_NOISE = 0.1  # of f2's carried weights, in standard deviations of the layer: equal classifiers
# would never disagree


@dataclass
class Transfer:
    """What became of each tensor, by name.

    Args:
        loaded: taken as they are.
        carried: with a row for each class: those of the classes whose names match.
        drawn: Weights of the model, as they were initialised.
        left: Weights of the checkpoint without a place in the model.
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
            text += f"; {_few(self.carried)} in the rows of {_few(self.classes, 5)}"
            text += ", where other rows were drawn anew"
        text += f"; {_few(self.drawn)} drawn anew" if self.drawn else ""
        text += f"; {_few(self.left)} left over" if self.left else ""
        return f"{text}."


@dataclass(frozen=True)
class Rows:
    """The first dimension of a tensor that grows with the number of classes.

    Args:
        groups: rows of one class: anchors, or coordinates.
        extra: rows beside those of the classes: ``groups`` with a background, else 0.
        of_boxes: a row is (class, coordinate); else it is (anchor, class), the background last.
    """

    groups: int
    extra: int
    of_boxes: bool


def class_tensors(model: dict) -> dict[str, Rows | None]:
    """Every tensor of a model's config by name, with its rows of classes if it has any.

    Found by building the model, without memory where that works, for one class more.
    """
    keys = [(k, v) for k, v in find_settings(model, "num_classes") if isinstance(v, int)]
    classes = keys[0][1] if keys else 0
    own, more = (shapes_of(model, keys, extra) for extra in (0, 1))
    found: dict[str, Rows | None] = {}
    for name, shape in own.items():
        grown = more.get(name, shape)
        groups = grown[0] - shape[0] if shape and grown else 0
        is_of_boxes = any("reg" in part for part in name.split("."))
        rows = Rows(groups, shape[0] - groups * classes, is_of_boxes) if groups > 0 else None
        found[name] = rows
    return found


def shapes_of(
    model: dict, keys: Sequence[tuple[str, Any]] = (), extra: int = 0
) -> dict[str, torch.Size]:
    """Shape of every tensor of a model's config, with some numbers of classes raised."""
    changed = ConfigDict(copy.deepcopy(model))
    for key, value in keys:
        changed = with_setting(changed, key, value + extra)
    return {name: value.shape for name, value in build_bare(changed).state_dict().items()}


def build_bare(model: dict) -> nn.Module:
    """A model as its config says, without memory where that works."""
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                built: nn.Module = MODELS.build(ConfigDict(copy.deepcopy(model)))
        except Exception:  # a part that needs numbers
            built = MODELS.build(ConfigDict(copy.deepcopy(model)))
    return built


@torch.no_grad()
def carry_classes(
    state: Mapping[str, Tensor],
    before: Mapping[str, Tensor],
    given: Mapping[str, Any],
    known: Mapping[str, Rows | None],
    classes: tuple[Sequence[str], Sequence[str]],
    seed: int = 0,
) -> Transfer:
    """Copy the rows of the classes that both know into the layers that have a row for each.

    Names are compared without regard to capitals and underlines. From a softmax classifier to a
    sigmoid one the background's row is subtracted, which keeps ``p_c / (p_c + p_background)``; the
    other way it becomes zero. A second classifier (``name2`` beside ``name``) that the checkpoint
    lacks gets the rows of the first, moved by noise of a tenth of their deviation.

    Args:
        state: tensors of the model by name, to be written to; what fits was loaded before.
        before: the same before that; rows without a match get their values.
        given: tensors of the checkpoint by name.
        known: see :func:`class_tensors`; tensors that it does not name are the method's.
        classes: names of the model's and of the checkpoint's, in their order; the latter empty if
            it does not say.
        seed: Seed of the noise, the same in all processes.
    """
    own_names, given_names = ([_alike(name) for name in names] for names in classes)
    pairs = [(i, given_names.index(n)) for i, n in enumerate(own_names) if n in given_names]
    generator = torch.Generator().manual_seed(seed)
    transfer, used = Transfer(), set()
    for name, own in state.items():
        rows = known.get(name)
        first = next((k for k in _sources(name, rows is not None) if k in given), None)
        source = None if first is None else given[first]
        used.add(first)
        same = first == name and fits(source, own)
        if same and (rows is None or own_names == given_names or not given_names):
            transfer.loaded.append(name)
            continue
        if rows is None:
            transfer.drawn.append(name)
            continue
        own.copy_(before[name])
        found = _carried(source, own, rows, (len(own_names), len(given_names)), pairs)
        if found is None:
            transfer.drawn.append(name)
            continue
        mine, values = found
        if first != name:
            noise = torch.randn(values.shape, generator=generator)
            values = values + _NOISE * values.std(correction=0) * noise
        own[mine] = values.to(own)
        transfer.carried.append(name)
    transfer.classes = [classes[0][i] for i, _ in pairs] if transfer.carried else []
    transfer.left = [name for name in given if name not in used]
    return transfer


def _carried(
    source: Any, own: Tensor, rows: Rows, sizes: tuple[int, int], pairs: list[tuple[int, int]]
) -> tuple[list[int], Tensor] | None:
    """Rows of the model's tensor and what they become, float32 on the CPU; None if the rows of the
    two do not correspond."""
    mine, theirs = sizes
    if not pairs or not isinstance(source, Tensor) or source.shape[1:] != own.shape[1:]:
        return None
    source = source.detach().float().cpu()
    groups, extra = rows.groups, rows.extra // rows.groups
    given_extra, rest = divmod(source.shape[0] - groups * theirs, groups)
    if rest or not {extra, given_extra} <= {0, 1} or rows.extra % groups:
        return None
    if rows.of_boxes:
        wanted = [(i * groups + g, j * groups + g) for i, j in pairs for g in range(groups)]
        return [i for i, _ in wanted], source[[j for _, j in wanted]]
    parts = source.view(groups, theirs + given_extra, *source.shape[1:])
    indices = [i for i, _ in pairs]
    values = parts[:, [j for _, j in pairs]]
    if given_extra and not extra:
        values = values - parts[:, -1:]
    if extra:
        indices.append(mine)
        background = parts[:, -1:] if given_extra else torch.zeros_like(parts[:, -1:])
        values = torch.cat([values, background], dim=1)
    wanted_rows = [g * (mine + extra) + i for g in range(groups) for i in indices]
    return wanted_rows, values.flatten(0, 1)


def _alike(name: str) -> str:
    return name.strip().casefold().replace("_", " ")


def _sources(name: str, has_classes: bool) -> Iterator[str]:
    """The name itself, then those of f1's tensors if it may be one of f2."""
    yield name
    parts = name.split(".") if has_classes else ()
    for i, part in enumerate(parts):
        if part.endswith("2") and len(part) > 1:
            yield ".".join([*parts[:i], part[:-1], *parts[i + 1 :]])


def _few(names: Sequence[str], most: int = 2) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
