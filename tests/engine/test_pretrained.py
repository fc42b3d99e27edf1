"""Weights trained for other classes: what is taken, carried over, drawn anew and left."""

import pytest
import torch
from torch import nn

from ads_det.engine.pretrained import carry_classes


class Net(nn.Module):
    """A body, a classifier with three anchors or two, and a branch of boxes."""

    def __init__(self, rows, second=False, reg=8):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 1)
        self.cls = nn.Conv2d(4, rows, 1)
        if second:
            self.cls2 = nn.Conv2d(4, rows, 1)
        self.fc_reg = nn.Linear(4, reg)


def transfer(given, own, given_classes, classes):
    torch.manual_seed(0)
    state = given.state_dict()
    before = {k: v.clone() for k, v in own.state_dict().items()}
    own.load_state_dict(
        {k: v for k, v in state.items() if k in before and v.shape == before[k].shape}, False
    )
    return carry_classes(own, state, given_classes, classes), state, before


def test_rows_of_the_classes_that_match_are_carried_anchor_by_anchor():
    given, own = Net(3 * 3, reg=12), Net(3 * 2, reg=8)  # sigmoid, three anchors
    result, state, before = transfer(given, own, ["car", "dog", "cat"], ["cat", "tree"])
    assert result.carried == ["cls.weight", "cls.bias", "fc_reg.weight", "fc_reg.bias"]
    assert result.loaded == ["body.weight", "body.bias"] and not result.drawn + result.left
    for a in range(3):
        assert torch.equal(own.cls.weight[2 * a], state["cls.weight"][3 * a + 2])
        assert torch.equal(own.cls.weight[2 * a + 1], before["cls.weight"][2 * a + 1])
    assert torch.equal(own.fc_reg.weight[:4], state["fc_reg.weight"][8:12])  # class by class
    assert torch.equal(own.fc_reg.weight[4:], before["fc_reg.weight"][4:])


def test_the_background_of_softmax_is_carried_as_well():
    given, own = Net(4), Net(3)
    _, state, before = transfer(given, own, ["car", "dog", "cat"], ["dog", "tree"])
    assert torch.equal(own.cls.bias[[0, 2]], state["cls.bias"][[1, 3]])
    assert torch.equal(own.cls.bias[1], before["cls.bias"][1])


@pytest.mark.parametrize("given_classes", [["dog", "cat", "car"], ["cat", "dog"]])
def test_a_second_classifier_gets_the_same_rows_but_is_not_equal(given_classes):
    given, own = Net(2 * len(given_classes)), Net(4, second=True)
    result, state, before = transfer(given, own, given_classes, ["cat", "tree"])
    j = given_classes.index("cat")
    assert "cls2.weight" in result.carried
    row, difference = state["cls.weight"][j], own.cls2.weight[0] - state["cls.weight"][j]
    assert 0 < difference.abs().mean() < 0.5 * row.abs().mean()
    assert torch.equal(own.cls2.weight[1], before["cls2.weight"][1])


def test_without_a_matching_class_the_layer_is_drawn_anew_and_the_line_says_so():
    given, own = Net(9), Net(6)
    given.extra = nn.Linear(2, 2)
    result, _, before = transfer(given, own, ["a", "b", "c"], ["x", "y"])
    assert torch.equal(own.cls.weight, before["cls.weight"]) and not result.carried
    assert result.sentence("w.pth") == (
        "Of w.pth 4 tensors were loaded; cls.weight, cls.bias drawn anew; extra.weight, "
        "extra.bias left over."
    )
