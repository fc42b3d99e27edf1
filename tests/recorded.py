"""Values that tiny runs gave once: picks, their scores, metrics and biases of every cycle.

The runs are made in a process that computes alike on every x86-64 machine.
``python tests/recorded.py --write`` records anew, for a change that is meant to change them.
"""

import csv
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
from functools import partial
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch

# What the runs need to know of the config's keys. A tiny detector finds nothing at an IoU of 0.5.
_DETECTION = {"test_evaluator.metric.iou_thrs": [0.1]}
_PREDICTED = {
    "method.positive_filter": "predicted",
    "method.positive_threshold": 0.73,
}  # about half pass
_PHASES = {
    f"method.{phase}.loss_weight": 30 for phase in ("agreement", "discrepancy")
}  # to be seen
_PLAIN = {
    "method": "ads_det.Plain",
    "model.bbox_head.num_classifiers": 1,
    "active_learning.cycles": 2,
}
_EQUAL = {
    "method.type": "ads_det.EqualSteps",
    "model.num_classifiers": 1,
    "active_learning.cycles": 2,
}
OPTIONS = {
    "detection": _DETECTION | _PHASES,
    "detection_predicted": _DETECTION | _PHASES | _PREDICTED,
    "detection_plain": _DETECTION | _PLAIN,
    "classification": _PHASES,
    "classification_equal_steps": _EQUAL,
}
# Strategies that choose 8 images each, one after the other with one model.
STRATEGIES = ("Entropy", "ClassBalancedEntropy", "CoreSet", "DiverseADS", "Margin",
              "LeastConfident", "Random")  # fmt: skip

FILE = Path(__file__).with_suffix(".json")
# Each library picks its code, and so the order of its sums, by the processor it finds.
PINNED = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "COMPATIBLE",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": "AVX F16C FMA3 AVX2 AVX512F AVX512CD AVX512_SKX AVX512_CLX",
    "OPENCV_CPU_DISABLE": "AVX,FP16,AVX2,AVX512-SKX",
    "OPENCV_IPP": "disabled",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F",  # exp() and log()
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "-1",
}


def versions():  # besides the code of this project, what the values hold for
    return {name: version(name) for name in ("torch", "numpy")} | {"machine": platform.machine()}


def record(path):
    """Make all runs in a process of their own and write their values to ``path``."""
    command = [sys.executable, __file__, str(path)]
    result = subprocess.run(command, env=os.environ | PINNED, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(result.stderr[-12000:])


def _rounded(value):
    return float(f"{float(value):.8g}")


def _values(work_dir):
    """The sum of all biases' sizes, zero before training, tells one training from another."""
    cycles = []
    for folder in sorted(work_dir.glob("cycle_*")):
        state = torch.load(folder / "model.pth", weights_only=False)["state_dict"]
        biases = sum(v.double().abs().sum() for k, v in state.items() if k.endswith("bias"))
        metrics = json.loads((folder / "metrics.json").read_text())["metrics"].items()
        cycle = dict(metrics={k: _rounded(v) for k, v in metrics}, biases=_rounded(biases))
        if (folder / "picks.txt").exists():  # after the last cycle nothing is acquired
            rows = csv.DictReader((folder / "scores.csv").read_text().splitlines())
            scores = {row["id"]: row["score"] for row in rows}
            cycle["picks"] = (folder / "picks.txt").read_text().split()
            cycle["scores"] = [_rounded(scores[name]) for name in cycle["picks"]]
        cycles.append(cycle)
    return cycles


def _cut_at(name, run):
    """Run up to the rename that would put a file of that name in place."""

    def replace(source, target, original=os.replace):
        if str(target).endswith(name):
            raise KeyboardInterrupt
        original(source, target)

    try:
        with patch.object(os, "replace", replace):
            run()
    except KeyboardInterrupt:
        return
    raise RuntimeError(f"the run wrote no {name}")


def _picks_of_strategies(cfg, cycle, work_dir):
    model = evaluation_runner(cfg, cycle / "model.pth", work_dir).model
    lists, ask = (cycle / "unlabeled.txt", cycle / "labeled.txt"), (8, 0, lambda: [model])
    built = {name: registry.build(dict(type=f"ads_det.{name}")) for name in STRATEGIES}
    return {name: select_images(cfg, *lists, s, *ask).picks for name, s in built.items()}


def _all_values(root):
    digits = make_digits(root / "digits", pool=40, test=12, seed=0)

    tiny = {"detection": partial(tiny_config, digits), "classification": tiny_classification_config}

    def run(name, folder, resume=False):
        cfg = tiny[name.partition("_")[0]](**OPTIONS[name])
        ActiveLearningLoop(cfg, root / folder, resume).run()
        return cfg

    values = {"versions": versions()}
    for name in OPTIONS:
        run(name, name)
        values[name] = _values(root / name)
    _cut_at("cycle_01/train/epoch_3.pth", lambda: run("detection", "cut"))  # the epoch is lost
    _cut_at("cycle_01/picks.txt", lambda: run("detection", "cut", resume=True))
    cfg = run("detection", "cut", resume=True)
    picks = _picks_of_strategies(cfg, root / "cut/cycle_00", root / "strategies")
    return values | {"detection_cut": _values(root / "cut"), "strategies": picks}


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        sys.exit(record(FILE))
    import ads_det.registry  # noqa: F401  isort: skip  (before mmdet, as in conftest.py)
    import torch
    from helpers import tiny_classification_config, tiny_config
    from matplotlib.backend_bases import FigureCanvasBase

    from ads_det.active.loop import ActiveLearningLoop
    from ads_det.active.selection import select_images
    from ads_det.data.synthetic import make_digits
    from ads_det.engine.training import evaluation_runner
    from ads_det.registry import STRATEGIES as registry

    torch.backends.nnpack.set_flags(False)
    gc.freeze()  # for speed, as are the pictures left out
    with tempfile.TemporaryDirectory() as root, patch.object(FigureCanvasBase, "print_figure"):
        Path(sys.argv[1]).write_text(json.dumps(_all_values(Path(root)), indent=1) + "\n")
