"""Arguments of the commands: read and checked without importing any large package."""

from __future__ import annotations

import argparse
import difflib
import errno
import math
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ads_det.errors import ADSError
from ads_det.files import read_ids, special_kind

_CONFIG_SUFFIXES = (".py", ".json", ".yaml", ".yml")


class Parser(argparse.ArgumentParser):
    """Takes no abbreviations, and answers a mistake with one sentence.

    Raises:
        ADSError: on a mistake; names the nearest option.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)
        self.register("type", Path, any_path)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        known = self._option_string_actions
        for word in words[: words.index("--")] if "--" in words else words:
            name = word.partition("=")[0]
            # as argparse tells an option from a value
            if not name.startswith("-") or name == "-" or " " in word or _is_number(name):
                continue
            if name not in known:
                self.error(f"unknown option {name}{suggestion(name, known)}")
        return super().parse_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        raise ADSError(
            message if "did you mean" in message else f"{message}; see {self.prog} --help"
        )


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-\d+|-\d*\.\d+", text) is not None


def suggestion(name: str, known: Iterable[str]) -> str:
    """``; did you mean ...?`` with the nearest of the known names, if one is near."""
    found = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""


class KeyValueAction(argparse.Action):
    """Collects KEY=VALUE words in a dict of strings; :func:`option_values` reads the values."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        collected = dict(getattr(namespace, self.dest) or {})
        for word in values or ():
            key, sign, value = word.partition("=")
            if not sign or not key:
                raise ADSError(
                    f"{option_string} takes KEY=VALUE, which {word!r} is not; other arguments "
                    "come before it."
                )
            collected[key] = value
        setattr(namespace, self.dest, collected)


def option_values(
    options: dict[str, str] | None, name: str = "--cfg-options"
) -> dict[str, Any] | None:
    """The values of KEY=VALUE options, read as mmengine reads those of its DictAction.

    Args:
        options: as :class:`KeyValueAction` collected them.
        name: name of the option, for the message.

    Raises:
        ADSError: if the brackets of a value do not match.
    """
    if not options:
        return None
    return {key: read_value(key, value, name) for key, value in options.items()}


def read_value(key: str, text: str, name: str = "--cfg-options") -> Any:
    """The value of a KEY=VALUE word.

    Raises:
        ADSError: if its brackets do not match, or it is a dict.
    """
    from mmengine.config import DictAction

    if text.lstrip("[( ").startswith("{") or re.search(r"(^|[\[(,=])\s*dict\(", text):
        raise ADSError(f"{name}: {key}={text} has a dict; write its values as {key}.NAME=VALUE.")
    try:
        return DictAction._parse_iterable(text)
    except (AssertionError, RecursionError) as error:
        raise ADSError(f"{name}: {error}; give a list as key='[a,b]'.") from error


def any_path(text: str | Path) -> Path:
    """Argument type: a path that can be named, whatever lies there; what ``type=Path`` means.

    Raises:
        argparse.ArgumentTypeError: if it is empty, which would be the current folder, is no
            text, so that no config or list could hold it, or has links that go round.
    """
    text = str(text)
    if not text.strip():
        raise argparse.ArgumentTypeError(
            "the path is empty, as of a variable of the shell that is not set; name one"
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(
            f"the path {text!r} is no UTF-8 text, so no config could hold it; rename it"
        ) from None
    try:
        os.stat(text)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise argparse.ArgumentTypeError(
                f"the path {text!r} has a link that leads back to itself; delete the link"
            ) from None
    return Path(text)


def config_file(text: str) -> Path:
    """Argument type: an existing config.

    Raises:
        ADSError: if there is none or it is no config.
    """
    path = any_path(text)
    _refuse_special("The config", text)
    if not path.is_file():
        raise ADSError(f"The config {path} does not exist; configs/ holds the ready ones.")
    if path.suffix not in _CONFIG_SUFFIXES:
        raise ADSError(f"{path} is no config, which ends in .py; configs/ holds the ready ones.")
    return path


def checkpoint_file(text: str) -> Path:
    """Argument type: existing weights.

    Raises:
        ADSError: if there are none.
    """
    path = any_path(text)
    _refuse_special("The checkpoint", text)
    if not path.is_file():
        raise ADSError(
            f"The checkpoint {text} does not exist; a run keeps its weights in "
            "<work-dir>/cycle_NN/model.pth."
        )
    return path


def _refuse_special(what: str, text: str) -> None:
    kind = special_kind(text)
    if kind is not None:
        raise ADSError(f"{what} {text} is a {kind}; give the path of a regular file.")


def id_list(text: str) -> Path:
    """Argument type: a readable list of ids.

    Raises:
        ADSError: if it is none.
    """
    path = any_path(text)
    read_ids(path)
    return path


def folder(text: str) -> Path:
    """Argument type: an existing folder.

    Raises:
        ADSError: if there is none.
    """
    path = any_path(text)
    if path.exists() and not path.is_dir():
        raise ADSError(f"{text} is a file, where a folder is wanted; name the folder.")
    if not path.is_dir():
        raise ADSError(f"The folder {text} does not exist; name one that does.")
    return path


def existing(text: str) -> Path:
    """Argument type: an existing file or folder.

    Raises:
        ADSError: if there is none.
    """
    path = any_path(text)
    if not path.exists():
        raise ADSError(f"{text} does not exist; name a file or folder that does.")
    return path


def check_seed(option: str, seed: int | None) -> None:
    """Refuse a seed that no generator takes.

    Raises:
        ADSError: if it is none from 0 to 2**32 - 1; None is in order.
    """
    if seed is not None and not 0 <= seed < 2**32:
        raise ADSError(f"{option} is {seed}; use a whole number from 0 to 2**32 - 1.")


def check_ceiling(ceiling: float | None) -> None:
    """Refuse a result with all labels that none can be.

    Raises:
        ADSError: if it is not finite and above 0; None is in order.
    """
    if ceiling is not None and not 0 < ceiling < math.inf:
        raise ADSError(f"--ceiling is {ceiling}; use a number above 0, such as 0.75.")


def add_check_option(parser: argparse.ArgumentParser) -> None:
    """``--check``: only the dry run of a config."""
    parser.add_argument(
        "--check",
        action="store_true",
        help="only build once what the config names, and end: no image is read, nothing written",
    )


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """``--cfg-options``, ``--launcher`` and ``--local_rank``."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=KeyValueAction,
        metavar="KEY=VALUE",
        help="override settings of the config, e.g. active_learning.cycles=3 "
        "train_cfg.max_epochs=20 (lists as key='[a,b]')",
    )
    parser.add_argument(
        "--launcher",
        choices=("none", "pytorch", "slurm", "mpi"),
        default="none",
        help="how the processes of a distributed run were started (torchrun: pytorch)",
    )
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
