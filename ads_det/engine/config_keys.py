"""Which top-level keys of a config are read, and of which kind they are."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from mmengine.config import Config

from ads_det.errors import ADSError
from ads_det.files import special_kind

_LIKE = 0.8  # from here on a name is taken for another one misspelt
_WORDS = {dict: "a dict", list: "a list", str: "a text", bool: "True or False", int: "a number"}

_DICT: tuple[type, ...] = (dict,)
_TEXT: tuple[type, ...] = (str,)
# what mmengine's Runner and this project read, and of which type it must be if it is not None
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(
        (
            *("model", "train_dataloader", "val_dataloader", "test_dataloader", "train_cfg"),
            *("val_cfg", "test_cfg", "auto_scale_lr", "optim_wrapper", "default_hooks"),
            *("data_preprocessor", "env_cfg", "log_processor", "randomness"),
            *("pool", "active_learning", "unlabeled_dataloader", "candidate_dataloader"),
            *("custom_imports", "model_wrapper_cfg"),
        ),
        _DICT,
    ),
    **dict.fromkeys(("val_evaluator", "test_evaluator", "param_scheduler"), (dict, list, tuple)),
    **dict.fromkeys(("default_scope", "work_dir", "launcher", "experiment_name"), _TEXT),
    "load_from": _TEXT,
    "custom_hooks": (list, tuple),
    "visualizer": _DICT,
    "method": (dict, str),
    "log_level": (str, int),
    "resume": (bool, str),
    "find_unused_parameters": (bool,),
    "sync_bn": _TEXT,
    "compile": (bool, dict),
    "activation_checkpointing": (list, tuple),
    "efficient_conv_bn_eval": (list, tuple),
}
_NEVER_NONE = frozenset({"env_cfg", "randomness", "model"})
_MAY_BE_INFINITE = ("max_norm", "norm_type")  # no clipping; the maximum norm
# variables of ordinary configs whose names look like those above
_HELPERS = frozenset({"conv_cfg", "unlabeled_dataset", "tta_cfg"})


def check_keys(cfg: Config) -> None:
    """Refuse keys that look like misspelt ones, values of the wrong kind, and NaN.

    A config file may define variables of any name for its own use, so one of them is refused
    only if its name is nearly that of something that is read.

    Args:
        cfg: with the options merged in.

    Raises:
        ADSError: names the key, and the nearest one that is known.
    """
    where = cfg.filename or "The config"
    for key in cfg.keys() - _KINDS.keys() - _HELPERS:
        near = nearest(key, _KINDS.keys())
        if near is not None and not key.startswith(f"{near}_"):
            raise ADSError(
                f"{where} has the key {key!r}, which nothing reads; write {near!r}, or give a "
                "variable of yours another name."
            )
    for key, kinds in _KINDS.items():
        value = cfg.get(key)
        if (value is None and (key not in cfg or key not in _NEVER_NONE)) or (
            isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
        ):
            continue
        words = " or ".join(dict.fromkeys(_WORDS[k] for k in kinds if k in _WORDS))
        raise ADSError(f"`{key}` is {short(value)}; it must be {words or 'a list'}.")
    for key, value in leaves(cfg.to_dict()):
        if isinstance(value, float) and value != value:
            raise ADSError(f"{key} is NaN, which is no number to work with; give a number.")
        if (
            isinstance(value, float)
            and abs(value) == math.inf
            and not key.endswith(_MAY_BE_INFINITE)
        ):
            raise ADSError(f"{key} is infinite, which is no number to work with; give a number.")
        kind = special_kind(value) if isinstance(value, str) and value else None
        if kind not in (None, "folder"):  # whoever opens it might wait for ever
            raise ADSError(f"{key} is {short(value)}, a {kind}; name a regular file or a folder.")


def check_option_names(cfg: Config, options: Iterable[str]) -> None:
    """Refuse options of the command line that would add a key which nothing reads.

    Args:
        cfg: without the options.
        options: dotted keys.

    Raises:
        ADSError: names the key, and the nearest one that is known.
    """
    known = _KINDS.keys() | cfg.keys()
    for key in options:
        name = key.split(".")[0]
        if name not in known:
            raise ADSError(f"--cfg-options {key}: the config has no {name!r}{like(name, known)}.")
        _check_option(cfg, key)


def _check_option(cfg: Config, key: str) -> None:
    """In a block without a type, a new name that is nearly one of those it has is a slip; what
    has a type, and ``active_learning``, are asked later what they take."""
    node: Any = cfg
    for name in key.split("."):
        if isinstance(node, (list, tuple)) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
            continue
        if not isinstance(node, (dict, Config)):
            return
        if name not in node:
            asked = node is cfg or "type" in node or key.startswith("active_learning.")
            near = None if asked else nearest(name, node.keys())
            if near is not None:
                raise ADSError(f"--cfg-options {key}: there is no {name!r} but {near!r}; use that.")
            return
        node = node[name]


def nearest(name: str, known: Collection[str], cutoff: float = _LIKE) -> str | None:
    """The known name that another is most like, if any."""
    found = difflib.get_close_matches(str(name), [k for k in known if k != name], 1, cutoff)
    return found[0] if found else None


def like(name: str, known: Collection[str]) -> str:
    """Half a sentence that names the nearest known one, or a few of them."""
    near = nearest(name, known, 0.5)
    if near is not None:
        return f"; the nearest is {near!r}"
    return f"; there are {', '.join(sorted(map(str, known)))}" if 0 < len(known) < 20 else ""


def short(value: Any, most: int = 60) -> str:
    """A value for a sentence."""
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"{text[:most]}..."


def leaves(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything in a config that is neither dict nor list."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from leaves(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, (list, tuple)):
        for number, value in enumerate(node):
            yield from leaves(value, f"{key}[{number}]")
    else:
        yield key, node
