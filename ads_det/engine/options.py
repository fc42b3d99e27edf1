"""Options of the command line on top of a config."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry

from ads_det.console import say
from ads_det.engine.config_keys import check_option_names
from ads_det.errors import ADSError
from ads_det.registry import METHODS, STRATEGIES

# blocks of a type and its arguments, and where the type is looked up
_TYPED: dict[str, Registry] = {
    "method": METHODS,
    "active_learning.strategy": STRATEGIES,
    "active_learning.initial_strategy": STRATEGIES,
}


def merge_options(cfg: Config, options: dict[str, Any], tell: bool = True) -> None:
    """Merge options into a config (in place).

    Where an option changes the type of a method or strategy, the arguments of the old one go, but
    for those that the new one is meant to share; what goes is said.

    Args:
        cfg: with its file's settings.
        options: values by dotted key.
        tell: whether to say what goes.

    Raises:
        ADSError: if they do not fit the config.
    """
    for key in options:
        if key.split(".")[0] == "ads":
            name = "method" + key.removeprefix("ads")
            shown = "method.type=ads_det.Plain" if options[key] is None else f"{name}=..."
            raise ADSError(
                f"--cfg-options {key}: the block `ads` is called `method` now; write {shown}"
                + (" (method.type=ads_det.EqualSteps)." if key.endswith("equal_steps") else ".")
            )
    check_option_names(cfg, options)
    short = {key: options[key] for key in _TYPED if isinstance(options.get(key), str)}
    options = _typed(options, short)
    order = list(options)
    for place, key in enumerate(order):  # only a dict that stands before its parts takes them
        others = order if not isinstance(options[key], dict) else order[:place]
        if inside := next((other for other in others if other.startswith(f"{key}.")), None):
            raise ADSError(
                f"--cfg-options set {key} and {inside}, a part of it; give the one or the other."
            )
    for key, registry in _TYPED.items():
        whole = options.get(key)
        given = [option for option in options if option.startswith(f"{key}.")]
        if not given and not isinstance(whole, dict):
            continue
        block, wanted = _get(cfg, key), options.get(f"{key}.type")
        if isinstance(whole, dict):
            wanted = whole.get("type")
        if isinstance(block, str):
            block = dict(type=block)
        above = key.rpartition(".")[0]
        if block is None and wanted is not None and (not above or _get(cfg, above) is not None):
            block = {}
        if wanted is not None and isinstance(block, dict) and block.get("type") != wanted:
            block = _shared(key, block, wanted, registry, tell)
        if block is not None:
            _set(cfg, key, block)
    try:
        cfg.merge_from_dict(options)
    except (KeyError, TypeError, ValueError, IndexError, AssertionError, AttributeError) as error:
        raise ADSError(f"--cfg-options do not fit the config: {error}") from error
    for key, name in short.items():
        if list(_get(cfg, key)) == ["type"]:  # as it was given
            _set(cfg, key, name)


def _typed(options: dict[str, Any], short: dict[str, str]) -> dict[str, Any]:
    """The options, in which a name alone is the type of a method or strategy.

    Raises:
        ADSError: if the type is given both ways, as two.
    """
    for key, name in short.items():
        if options.get(f"{key}.type", name) != name:
            raise ADSError(f"--cfg-options set {key} and {key}.type; give the one or the other.")
    return {k: v for k, v in options.items() if k not in short} | {
        f"{key}.type": name for key, name in short.items()
    }


def refuse_old_keys(cfg: Config) -> None:
    """Refuse a config written for an earlier version.

    Raises:
        ADSError: shows the new line.
    """
    if "ads" not in cfg:
        return
    old = cfg.ads
    arguments = dict(old) if isinstance(old, dict) else {}
    kind = "EqualSteps" if arguments.pop("equal_steps", False) else "ADS"
    kind = "Plain" if old is None else kind
    parts = [f"type='ads_det.{kind}'", *(f"{k}={v!r}" for k, v in arguments.items())]
    raise ADSError(
        f"{cfg.filename or 'The config'} has the block `ads`, which is called `method` now; write "
        f"method=dict({', '.join(parts)})."
    )


def _shared(key: str, block: dict, wanted: Any, registry: Registry, tell: bool) -> dict:
    """The arguments of a block that stay when its type changes."""
    kind = registry.get(wanted) if isinstance(wanted, str) else None
    keeps = getattr(kind, "keeps", frozenset())
    arguments = {name: value for name, value in block.items() if name != "type"}
    kept = {name: value for name, value in arguments.items() if name in keeps}
    dropped = [f"{n}={v!r}" for n, v in arguments.items() if n not in kept]
    if dropped and tell:
        say(f"{key} is {wanted} now and has its own defaults; dropped {', '.join(dropped)}.")
    return kept


def _get(cfg: Config, key: str) -> Any:
    node: Any = cfg
    for name in key.split("."):
        node = node.get(name) if isinstance(node, (dict, Config)) else None
    return node


def _set(cfg: Config, key: str, value: dict) -> None:
    *path, last = key.split(".")
    node: Any = cfg
    for name in path:
        node = node[name]
    node[last] = value
