"""What is compared: a way of training and a way of selecting."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from ads_det.active.checks import check_strategies
from ads_det.active.settings import Settings
from ads_det.active.strategies import Strategy
from ads_det.arguments import read_value
from ads_det.engine.build import accepted_arguments
from ads_det.engine.methods import ADS, build_method
from ads_det.engine.methods.ads import PHASES
from ads_det.engine.model_config import classifiers_key
from ads_det.engine.options import merge_options
from ads_det.errors import ADSError
from ads_det.registry import STRATEGIES

# method of each training that is built in, whose model has one classifier
ONE_CLASSIFIER = {
    "plain": dict(type="ads_det.Plain"),
    "equal": dict(type="ads_det.EqualSteps"),
    "ll4al": dict(type="ads_det.LL4AL"),
    "dropout": dict(type="ads_det.Plain"),
    "ensemble": dict(type="ads_det.Plain", members=5),  # Beluch et al., CVPR 2018
}
TRAININGS = (*ONE_CLASSIFIER, "two", "zero", "ads")
# keys that all compared methods share: budgets, strategies, data, seeds and the measure
_SHARED = re.compile(
    r"active_learning\b(?!\.warm_start$)|(pool|randomness|test_evaluator)\b"
    r"|(test|candidate|unlabeled)_dataloader\.dataset\b(?!(\.dataset)*\.pipeline\b)"
    r"|train_dataloader\.dataset(\.dataset)*(\.(ann_file|data_root|data_prefix|ids|metainfo)\b|$)"
)
DROPOUT = 0.1  # share, before the classifiers
PASSES = 25  # with dropout, of a strategy that compares them (Beluch et al.)


@dataclass(frozen=True)
class Method:
    """A training and a strategy.

    Args:
        training: ``'plain'`` (one classifier, no phases), ``'equal'`` (plain with as many
            updates as ADS makes, ``ads_det.EqualSteps``), ``'ll4al'`` (plain with a loss
            predictor), ``'dropout'`` (plain with dropout before the classifier, and 25 passes of
            a strategy that compares passes), ``'ensemble'`` (plain, five members), ``'two'`` (two
            classifiers, no phases), ``'zero'`` (ADS whose unlabelled terms have weight 0:
            BatchNorm statistics, weight decay and the labelled term of Eq. 8 remain), ``'ads'``
            (the config as it is), or a name given to options.
        strategy: name of a strategy in small letters, such as ``'entropy'``.
    """

    training: str
    strategy: str

    @property
    def name(self) -> str:
        return f"{self.training}+{self.strategy}"

    @classmethod
    def parse(cls, text: str) -> Method:
        """A method from its name, ``TRAINING+STRATEGY``.

        Raises:
            ADSError: if the text has another form.
        """
        if not re.fullmatch(r"[\w.-]+\+[\w.-]+", text):
            raise ADSError(
                f"The method {text!r} is not of the form TRAINING+STRATEGY, such as ads+entropy."
            )
        return cls(*text.split("+"))


def parse_training(text: str) -> tuple[str, dict[str, Any]]:
    """Name and options of ``NAME: key=value key=value``, changes of the config on top of ADS.

    Raises:
        ADSError: if the text has another form.
    """
    name, colon, rest = text.partition(":")
    pairs = [part.partition("=") for part in rest.split()]
    if not colon or not re.fullmatch(r"[\w.-]+", name.strip()) or not all(p[1] for p in pairs):
        raise ADSError(
            f"The training {text!r} is not of the form 'NAME: key=value ...', such as "
            "'ads_none: method.weighting=none'."
        )
    return name.strip(), {key: read_value(key, value, "--training") for key, _, value in pairs}


def parse_trainings(texts: Iterable[str], methods: Iterable[Method]) -> dict[str, dict[str, Any]]:
    """Options by the names of trainings.

    Args:
        texts: See :func:`parse_training`.
        methods: Methods of the comparison.

    Raises:
        ADSError: if a name is given twice, is one of ours, or no method uses it, or an option is
            of what the methods have in common.
    """
    found: dict[str, dict[str, Any]] = {}
    used = {method.training for method in methods}
    for name, options in map(parse_training, texts):
        if name in found or name in TRAININGS:
            known = "given twice" if name in found else "the name of a training of ads_det"
            raise ADSError(f"--training {name!r} is {known}; choose another name.")
        if name not in used:
            raise ADSError(
                f"--training {name!r} is used by no method of --methods; add NAME+random."
            )
        if strange := [key for key in options if _SHARED.match(key)]:
            raise ADSError(
                f"--training {name!r} sets {strange[0]}, which all that is compared has in common; "
                "set it for all by --cfg-options, choose strategies in --methods and seeds in "
                "--seeds."
            )
        found[name] = options
    return found


def method_config(cfg: Config, method: Method, trainings: Mapping[str, dict[str, Any]]) -> Config:
    """The config of one method.

    Its strategy takes the arguments of the config's strategy that it knows, such as ``topk``, so
    that methods differ in nothing else.

    Args:
        cfg: an ADS config; not changed.
        method: which.
        trainings: options of the trainings that are not built in.

    Raises:
        ADSError: if training or strategy are unknown, or the options do not fit the config.
    """
    cfg = Config(copy.deepcopy(cfg.to_dict()), filename=cfg.filename)
    if method.training in trainings:
        options = dict(trainings[method.training])
    elif method.training in TRAININGS:
        options = _training_options(cfg, method.training)
    else:
        known = ", ".join([*TRAININGS, *trainings])
        raise ADSError(f"The training {method.training!r} is unknown; use one of {known}.")
    try:
        merge_options(cfg, options, tell=False)
    except ADSError as error:
        raise ADSError(f"The options of {method.training} do not fit: {error}") from error
    given = cfg.active_learning.strategy
    given = {} if isinstance(given, str) else given
    wanted = _strategy_class(method.strategy)
    accepted = accepted_arguments(wanted)
    kept = {k: v for k, v in given.items() if k in accepted}
    if method.training == "dropout" and method.training not in trainings and "passes" in accepted:
        kept["passes"] = PASSES
    cfg.active_learning.strategy = dict(type=f"ads_det.{wanted.__name__}", **kept)
    check_strategies(Settings.from_config(cfg), cfg, build_method(cfg))
    return cfg


def _training_options(cfg: Config, training: str) -> dict[str, Any]:
    """Changes of an ADS config for one of the built-in trainings."""
    if not isinstance(build_method(cfg), ADS):
        raise ADSError(
            f"{cfg.filename or 'The config'} does not train by ads_det.ADS; a comparison starts "
            "from an ADS config and leaves the phases out where a method has none."
        )
    if training == "ads":
        return {}
    if training == "two":
        return {"method.type": "ads_det.Plain"}
    if training == "zero":
        return {f"method.{phase}.loss_weight": 0.0 for phase in PHASES}
    key = classifiers_key(cfg.model)
    one: dict[str, Any] = {} if key is None else {key: 1}
    if training == "dropout":
        if key is None:
            raise ADSError("The training 'dropout' needs a head or classifier of ads_det.")
        one[f"{key.rpartition('.')[0]}.dropout"] = DROPOUT
    return one | {f"method.{name}": value for name, value in ONE_CLASSIFIER[training].items()}


def _strategy_class(name: str) -> type[Strategy]:
    STRATEGIES.import_from_location()
    known = {key.lower(): kind for key, kind in STRATEGIES.module_dict.items()}
    if name.lower() not in known:
        raise ADSError(f"The strategy {name!r} is unknown; use one of {', '.join(sorted(known))}.")
    return known[name.lower()]


def parse_methods(names: Iterable[str]) -> list[Method]:
    """The methods of their names, each once, in order."""
    return list(dict.fromkeys(Method.parse(name) for name in names))
