"""RetinaNet with two classifiers: what is doubled, what moves, what is predicted."""

import itertools

import pytest
import torch
from helpers import detection_batch, moved, state_of
from mmdet.models.dense_heads import RetinaHead
from mmengine.optim import OptimWrapper
from retina_models import build_retina

from ads_det.core.criterion import ADSCriterion
from ads_det.core.outputs import BOXES, FEATURES, INPUTS, MEMBERS
from ads_det.engine.phases import run_agreement, run_discrepancy
from ads_det.errors import ADSError

F1, F2 = "bbox_head.retina_cls.", "bbox_head.retina_cls2."


def wrapper(model, lr=0.05):
    sgd = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=0.01)
    return OptimWrapper(sgd)


def data_of(model, training=True):
    model.train(training)
    return model.data_preprocessor(detection_batch(), training)


def test_agreement_moves_features_and_discrepancy_moves_classifiers():
    model = build_retina()
    before = state_of(model)
    run_agreement(model, wrapper(model), [detection_batch(seed=1)], ADSCriterion())
    names = moved(before, model)
    assert not any(n.startswith((F1, F2)) for n in names)
    assert "bbox_head.cls_convs.0.conv.weight" in names  # the tower belongs to g
    before = state_of(model)
    labeled = itertools.repeat(detection_batch(seed=2))
    run_discrepancy(model, wrapper(model), [detection_batch(seed=1)], labeled, ADSCriterion())
    assert moved(before, model) == {f + n for f in (F1, F2) for n in ("weight", "bias")}


def test_the_second_classifier_begins_elsewhere_with_the_same_prior():
    first, second = build_retina().classifiers()
    assert not torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias) and first.bias.unique().item() < -4


def test_losses_are_those_of_two_plain_heads_and_targets_are_computed_once(monkeypatch):
    """Against mmdet's head with the weights of one classifier and then of the other."""
    model = build_retina()
    data = data_of(model)
    calls, original = [], RetinaHead.get_targets
    monkeypatch.setattr(
        RetinaHead, "get_targets", lambda *a, **k: calls.append(1) or original(*a, **k)
    )
    losses = model(**data, mode="loss")
    assert len(calls) == 1
    plain = build_retina(num_classifiers=1)
    state = model.state_dict()
    for name, prefix in (("loss_cls1", F1), ("loss_cls2", F2)):
        one = {k: v for k, v in state.items() if not k.startswith((F1, F2))}
        one |= {k.replace(prefix, F1): v for k, v in state.items() if k.startswith(prefix)}
        plain.load_state_dict(one)
        expected = plain(**data, mode="loss")
        for key, of_plain in ((name, "loss_cls1"), ("loss_bbox", "loss_bbox")):
            assert len(losses[key]) == 2  # levels
            for level, plain_level in zip(losses[key], expected[of_plain], strict=True):
                assert level.item() == pytest.approx(plain_level.item())
    assert set(losses) == {"loss_cls1", "loss_cls2", "loss_bbox"}


def test_the_prediction_of_both_is_that_of_the_mean_probability():
    model = build_retina()
    with torch.no_grad():  # of equal classifiers it is that of each
        model.bbox_head.retina_cls2.load_state_dict(model.bbox_head.retina_cls.state_dict())
        (sample, _) = model(**data_of(model, training=False), mode="predict")
    assert torch.allclose(sample.pred_instances.scores, sample.pred_instances_f1.scores, atol=1e-5)
    assert torch.equal(sample.pred_instances.bboxes, sample.pred_instances_f2.bboxes)


def test_outputs_of_every_kind_fit_together():
    model = build_retina()
    data = data_of(model, training=False)
    with torch.no_grad():
        (out,) = model.passes(**data, needs=frozenset({MEMBERS, FEATURES, BOXES, INPUTS}))
        (again,) = model.passes(**data, needs=frozenset({MEMBERS}))
    assert [y.shape for y in out.members] == [(2, 240, 3)] * 2
    assert all(map(torch.equal, out.members, again.members)) and again.boxes is None
    assert out.features.shape == (2, 32) and out.inputs.shape == (2, 3, 64, 64)
    for image in out.boxes:
        m = len(image.scores)
        assert image.boxes.shape == (m, 4) and image.features.shape == (m, 16)
    with pytest.raises(ADSError, match=r"needs 'count' .* ADSDetector does not give"):
        next(model.passes(**data, needs=frozenset({"count"})))


def test_features_of_a_box_are_those_at_its_centre():
    from ads_det.models.box_model import box_features

    level = torch.arange(64.0).view(1, 8, 8)  # cells of 8 px in an image of 64
    boxes = torch.tensor([[8.0, 8.0, 16.0, 16.0], [0.0, 0.0, 8.0, 8.0]])
    assert box_features(level, boxes, torch.zeros(1, 3, 64, 64)).tolist() == [[9.0], [0.0]]


def test_a_plain_retina_checkpoint_loads_into_the_first_classifier():
    plain, model = build_retina(seed=1, num_classifiers=1), build_retina(seed=2)
    before = state_of(model.bbox_head.retina_cls2)
    model.load_state_dict(plain.state_dict(), strict=False)
    assert not moved(state_of(plain.bbox_head.retina_cls), model.bbox_head.retina_cls)
    assert not moved(before, model.bbox_head.retina_cls2)
