"""The files of docs/extending.md, as a user would run them."""

import re
from pathlib import Path

import pytest
import torch
from helpers import DIGITS, dump_config, tiny_config
from processes import TOOLS, forked

from ads_det.files import read_csv

TEXT = (Path(__file__).parents[1] / "docs/extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# (my_\w+\.py)\n(.*?)```", TEXT, re.DOTALL))
MOST_LINES = {"my_strategy.py": 40, "my_method.py": 60, "my_head.py": 60}

FCOS = dict(
    type="TwoClassifierFCOSHead",
    num_classes=len(DIGITS),
    in_channels=16,
    feat_channels=16,
    stacked_convs=1,
    strides=[8, 16],
    regress_ranges=((-1, 32), (32, 1e8)),
    norm_cfg=None,
)


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def write_mine(digits, folder, **options):
    cfg = tiny_config(digits, **{"active_learning.cycles": 2} | options)
    cfg.custom_imports = dict(imports=[name.removesuffix(".py") for name in FILES])
    dump_config(cfg, folder / "mine.py")


def run(folder):
    command = [TOOLS / "al_loop.py", "mine.py", "--work-dir", "run"]
    return forked(1, command, folder, PYTHONPATH=str(folder))


def test_each_is_short():
    lines = {name: text.count("\n") + 1 for name, text in FILES.items()}
    assert lines.keys() == MOST_LINES.keys()
    assert all(lines[name] <= most for name, most in MOST_LINES.items())


@pytest.mark.slow
def test_strategy_and_method(digits, folder):
    options = {"method": dict(type="CountObjects")}
    write_mine(digits, folder, **options, **{"active_learning.strategy": dict(type="BoxDoubt")})
    assert "Cycle 2 of 2: 8 of 40 images labelled" in run(folder)
    state = torch.load(folder / "run/cycle_00/model.pth", weights_only=True)["state_dict"]
    assert "method_modules.counter.linear.weight" in state
    log = "".join(p.read_text() for p in (folder / "run/cycle_01/train").glob("*/*.log"))
    assert "loss_count" in log and "count_bias" in log
    scores = [float(row["score"]) for row in read_csv(folder / "run/cycle_00/scores.csv")]
    assert scores == sorted(scores, reverse=True) and scores[0] > scores[-1] >= 0


def test_head(digits, folder):
    """FCOS through both phases: each moves its part, as the log and the weights show."""
    model = tiny_config(digits).model
    neck = dict(type="FPN", in_channels=[16, 32], out_channels=16, num_outs=2)
    model["neck"], model["bbox_head"], model["train_cfg"] = neck, FCOS, None  # update() would merge
    write_mine(digits, folder, model=dict(model, _delete_=True))
    run(folder)
    state = torch.load(folder / "run/cycle_01/model.pth", weights_only=True)["state_dict"]
    first, second = (state[f"bbox_head.conv_cls{k}.weight"] for k in ("", "2"))
    assert first.shape == second.shape and not torch.equal(first, second)
    log = "".join(p.read_text() for p in (folder / "run/cycle_01/train").glob("*/*.log"))
    for name in ("loss_cls1", "loss_cls2", "loss_centerness", "agreement: ", "discrepancy: "):
        assert name in log
