"""Two cycles of the loop with a detector of each family."""

import pytest
import torch
from family_models import LAYERS, tiny_family_config

from ads_det.active.loop import ActiveLearningLoop
from ads_det.files import read_csv

QUICK = ("rtmdet",)
EACH = [pytest.param(f, marks=() if f in QUICK else pytest.mark.slow) for f in LAYERS]


@pytest.mark.parametrize("family", EACH)
def test_two_cycles(family, digits, tmp_path):
    cfg = tiny_family_config(digits, family, **{"active_learning.cycles": 2})
    ActiveLearningLoop(cfg, tmp_path).run()
    state = torch.load(tmp_path / "cycle_01/model.pth", weights_only=True)["state_dict"]
    layer = LAYERS[family]
    classifiers = [
        {k.removeprefix(name): v for k, v in state.items() if k.startswith(name)}
        for name in (f"{layer}.", f"{layer}2.")
    ]
    assert classifiers[0].keys() == classifiers[1].keys() and classifiers[0]
    assert not all(torch.equal(v, classifiers[1][k]) for k, v in classifiers[0].items())
    log = "".join(p.read_text() for p in (tmp_path / "cycle_01/train").glob("*/*.log"))
    assert all(word in log for word in ("loss_cls1", "loss_cls2", "agreement: ", "discrepancy: "))
    scores = [float(row["score"]) for row in read_csv(tmp_path / "cycle_00/scores.csv")]
    assert len(scores) == 36 and scores == sorted(scores, reverse=True) and scores[0] > scores[-1]
    assert not (tmp_path / "cycle_02").exists()
