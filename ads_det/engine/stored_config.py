"""A config as plain data: what a run keeps of it, read without executing anything."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from pprint import pformat
from typing import Any

from mmengine.config import Config
from mmengine.fileio.handlers import yaml_handler
from mmengine.registry import Registry, root

from ads_det import registry
from ads_det.engine.config_keys import leaves, short
from ads_det.errors import ADSError
from ads_det.files import write_text, wrong_shape
from ads_det.plain_yaml import PlainLoader
from ads_det.work_files import read_stored_config

# JSON has neither tuples nor keys other than texts
_TUPLE, _ITEMS = "__tuple__", "__items__"


def write_config(path: Path, cfg: Config) -> None:
    """Write a config atomically as JSON, from which :func:`read_config` makes an equal one.

    Raises:
        ADSError: if it holds something that is no plain data; names the key.
    """
    text = json.dumps(_encode(cfg.to_dict(), ""), indent=1, ensure_ascii=False)
    # mmengine puts variables in the place of {{ }}, in texts too
    write_text(path, text.replace("{{", "{\\u007b") + "\n")


def config_program(cfg: Config) -> str:
    """A config for people, as Python that mmengine reads; nothing here executes it."""
    blocks = cfg.to_dict().items()
    return "".join(
        f"{key} = {pformat(value, width=100, sort_dicts=False)}\n" for key, value in blocks
    )


def read_config(path: Path) -> Config:
    """The config of a work directory.

    Its types must be registered ones: another function would be run by its name alone. The
    modules that ``custom_imports`` names are imported from Python's path.

    Raises:
        ADSError: if it is not there, or not as :func:`write_config` wrote it.
    """
    if not path.exists():
        raise ADSError(
            f"{path} is missing (config.py is a program and is not executed); run the loop again "
            "with --resume, which writes it."
        )
    cfg = _plain(path)
    import_modules(cfg, path)
    for key, value in leaves(cfg.to_dict()):
        if key.rpartition(".")[2] == "type" and isinstance(value, str) and not _is_known(value):
            raise wrong_shape(path, f"{key} is {value!r}, which no registry holds")
    return cfg


def decode(cfg: Config) -> Config:
    """The config that :func:`write_config` was given, from what its JSON holds."""
    content = _decode(cfg.to_dict())
    return Config(content, filename=cfg.filename, format_python_code=False)


def refuse_yaml_tags() -> None:
    """Let mmengine read YAML as data: its own loader runs what a tag names."""
    yaml_handler.Loader = PlainLoader


def _plain(path: Path) -> Config:
    content = read_stored_config(path)
    try:
        cfg = decode(Config(content))
        list(leaves(cfg.to_dict()))
    except RecursionError as error:
        raise wrong_shape(path, "it is nested too deep") from error
    except (TypeError, ValueError) as error:  # no pairs, or a key that cannot be one
        raise wrong_shape(path, f"an `{_ITEMS}` is no list of keys and values") from error
    return cfg


def import_modules(cfg: Config, path: str | Path) -> None:
    """Import what ``custom_imports`` names: one module or several, from Python's path.

    Args:
        cfg: a config.
        path: Path of its file, for the sentence.

    Raises:
        ADSError: if the block is of another shape or an import fails, unless
            ``allow_failed_imports`` lets it.
    """
    block = cfg.get("custom_imports")
    if block is None:
        return
    given: dict[str, Any] = dict(block) if isinstance(block, dict) else dict(imports=block)
    names, may_fail = given.pop("imports", None), given.pop("allow_failed_imports", False)
    names = [names] if isinstance(names, str) else names
    is_list = isinstance(names, (list, tuple)) and all(isinstance(n, str) and n for n in names)
    if given or not isinstance(block, dict) or not is_list or not isinstance(may_fail, bool):
        raise ADSError(
            f"`custom_imports` of {path} is {short(block)}; write dict(imports=['package.module'])."
        )
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:
            if may_fail and isinstance(error, ImportError):
                continue
            why = " ".join(str(error).split())[:200]
            raise ADSError(
                f"{path} imports {name!r} (custom_imports), which fails ({why}); "
                "make it importable, such as by PYTHONPATH."
            ) from error


def _is_known(name: str) -> bool:
    """Whether a type is registered, under its name or as the class that its path names, or has
    no dot: then only a registry can know it."""
    if not re.fullmatch(r"[\w.]+", name):
        return False
    scope, _, rest = name.partition(".")
    if not rest:
        return True
    module, _, attribute = name.rpartition(".")
    for load in (False, True):  # to import everything takes seconds
        found = getattr(sys.modules.get(module), attribute, None)
        for place in _registries():
            if load:
                place.import_from_location()
            known = place.module_dict
            if (place.scope == scope and rest in known) or (
                found is not None and any(found is kind for kind in known.values())
            ):
                return True
    return False


def _registries() -> Iterator[Registry]:
    """All registries there are."""
    todo = [r for n in (root, registry) for r in vars(n).values() if isinstance(r, Registry)]
    while todo:
        found = todo.pop()
        yield found
        todo += found.children.values()


def _encode(node: Any, key: str) -> Any:
    if isinstance(node, dict):
        if all(isinstance(name, str) for name in node):
            return {n: _encode(value, f"{key}.{n}".lstrip(".")) for n, value in node.items()}
        items = node.items()  # names may be tuples
        return {_ITEMS: [[_encode(n, key), _encode(v, f"{key}.{n}")] for n, v in items]}
    if isinstance(node, (list, tuple)):
        values = [_encode(value, f"{key}[{i}]") for i, value in enumerate(node)]
        return {_TUPLE: values} if isinstance(node, tuple) else values
    if node is None or isinstance(node, (bool, int, float, str)):
        return node
    if inspect.isclass(node) or inspect.isfunction(node):
        return f"{node.__module__}.{node.__qualname__}"
    raise ADSError(
        f"{key} is {short(node)}, which is no plain data; a config of a run holds dicts, lists, "
        "numbers, texts and classes."
    )


def _decode(node: Any) -> Any:
    if isinstance(node, list):
        return [_decode(value) for value in node]
    if not isinstance(node, dict):
        return node
    if node.keys() == {_TUPLE} and isinstance(node[_TUPLE], list):
        return tuple(_decode(value) for value in node[_TUPLE])
    if node.keys() == {_ITEMS} and isinstance(node[_ITEMS], list):
        return {_decode(key): _decode(value) for key, value in node[_ITEMS]}
    return {name: _decode(value) for name, value in node.items()}
