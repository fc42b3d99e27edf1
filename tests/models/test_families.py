"""Two classifiers in every family of detectors: what is doubled, what moves, what is learnt."""

import copy
import itertools

import pytest
import torch
from family_models import DENSE, LAYERS, build, family_config
from helpers import detection_batch, moved, state_of, tiny_config
from mmengine.optim import OptimWrapper

from ads_det.core.criterion import ADSCriterion
from ads_det.core.entropy import mean_entropy
from ads_det.core.outputs import BOXES, FEATURES, INPUTS, MEMBERS
from ads_det.engine.phases import run_agreement, run_discrepancy
from ads_det.engine.training import check_training
from ads_det.errors import ADSError
from ads_det.models.base import Extension
from ads_det.models.dropout import fixed_masks

FAMILIES = list(LAYERS)


def model_of(family, seed=0, plain=False, **head):
    return build(family_config(family, plain, **head), seed)


def is_classifier(family):
    layer = LAYERS[family]
    return lambda name: name.startswith((f"{layer}.", f"{layer}2."))


def wrapper(model, lr=0.05):
    # momentum and decay would move frozen parameters if they had gradients
    sgd = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=0.01)
    return OptimWrapper(sgd)


def data_of(model, training=True):
    model.train(training)
    return model.data_preprocessor(detection_batch(), training)


@pytest.mark.parametrize("family", FAMILIES)
def test_agreement_moves_features_and_discrepancy_moves_classifiers(family):
    model, of_classifier = model_of(family), is_classifier(family)
    own = {name for name in model.state_dict() if of_classifier(name)}
    optim = wrapper(model)
    model.train_step(detection_batch(), optim)  # momentum of all parts
    before = state_of(model)
    run_agreement(model, optim, [detection_batch(seed=1)], ADSCriterion())
    names = moved(before, model)
    assert not names & own
    assert {"backbone.conv1.weight", "neck.fpn_convs.0.conv.weight"} <= names
    before = state_of(model)
    labeled = itertools.repeat(detection_batch(seed=2))
    run_discrepancy(model, optim, [detection_batch(seed=1)], labeled, ADSCriterion())
    assert moved(before, model) == own


@pytest.mark.parametrize("family", FAMILIES)
def test_the_second_classifier_begins_elsewhere_with_the_same_prior(family):
    model = model_of(family)
    layer = LAYERS[family]
    state = model.state_dict()
    first = {k.removeprefix(layer): v for k, v in state.items() if k.startswith(f"{layer}.")}
    second = {k.removeprefix(f"{layer}2"): v for k, v in state.items() if k.startswith(f"{layer}2")}
    assert first.keys() == second.keys() and first
    for name, value in first.items():
        assert torch.equal(value, second[name]) is name.endswith("bias")


@pytest.mark.parametrize("family", DENSE)
def test_losses_are_those_of_two_plain_heads_on_targets_computed_once(family, monkeypatch):
    """Against mmdet's head with the weights of one classifier and then of the other, on the
    targets that the mean of both has where the head assigns by its scores."""
    model, plain = model_of(family), model_of(family, plain=True)
    data = data_of(model)
    plain.train()
    calls, get_targets = [], type(model.bbox_head).get_targets

    def remember(self, *args, **kwargs):
        calls.append(get_targets(self, *args, **kwargs))
        return calls[-1]

    monkeypatch.setattr(type(model.bbox_head), "get_targets", remember)
    losses = model(**data, mode="loss")
    assert len(calls) == 1
    monkeypatch.setattr(plain.bbox_head, "get_targets", lambda *args, **kwargs: calls[0])
    layer, state = LAYERS[family], model.state_dict()
    for name, prefix in (("loss_cls1", f"{layer}."), ("loss_cls2", f"{layer}2.")):
        one = {k: v for k, v in state.items() if not k.startswith((f"{layer}.", f"{layer}2."))}
        one |= {k.replace(prefix, f"{layer}."): v for k, v in state.items() if k.startswith(prefix)}
        plain.load_state_dict(one)
        expected = plain(**data, mode="loss")
        assert value(losses[name]) == pytest.approx(value(expected["loss_cls"]), rel=1e-5)
        others = expected.keys() - {"loss_cls"}
        if family != "gfl":  # which weighs boxes by the score, see below
            for other in others:
                assert value(losses[other]) == pytest.approx(value(expected[other]), rel=1e-5)
    assert losses.keys() == {"loss_cls1", "loss_cls2"} | others


def value(loss):
    return [level.item() for level in loss] if isinstance(loss, list) else loss.item()


def joint_loss(model, data):
    """Losses of the plain head on scores whose sigmoid is the mean of both, by hand."""
    head = model.bbox_head
    scores, *rest = head(model.extract_feat(data["inputs"]))
    mean = [torch.logit((a.sigmoid() + b.sigmoid()) / 2) for a, b in zip(*scores)]
    samples = data["data_samples"]
    plain = next(c for c in type(head).__mro__ if c.__module__.startswith("mmdet."))
    boxes, metas = [s.gt_instances for s in samples], [s.metainfo for s in samples]
    return plain.loss_by_feat(head, mean, *rest, boxes, metas)


@pytest.mark.parametrize("family", ["gfl", "rtmdet", "rtmdet_sep_bn"])
def test_what_reads_scores_reads_the_mean_of_both(family):
    """Targets of RTMDet, weights of GFL's boxes."""
    model = model_of(family)
    if family == "rtmdet":
        model.bbox_head.rtm_cls2.weight.data.mul_(100)  # so that the assignments differ
    data = data_of(model)
    losses = model(**data, mode="loss")
    expected = joint_loss(model, data)
    for name in expected.keys() - {"loss_cls"}:
        assert value(losses[name]) == pytest.approx(value(expected[name]), rel=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_prediction_of_both_is_that_of_the_mean_probability(family):
    model = model_of(family)
    layer, second = model.classifiers()
    with torch.no_grad():  # of equal classifiers it is that of each
        second.load_state_dict(layer.state_dict())
        (sample, _) = model(**data_of(model, training=False), mode="predict")
    joint, first = sample.pred_instances, sample.pred_instances_f1
    assert torch.allclose(joint.scores, first.scores, atol=1e-5) and len(joint)
    assert torch.equal(sample.pred_instances_f2.bboxes, first.bboxes)


@pytest.mark.parametrize("family", FAMILIES)
def test_outputs_of_every_kind_fit_together(family):
    model = model_of(family)
    data = data_of(model, training=False)
    with torch.no_grad():
        (out,) = model.passes(**data, needs=frozenset({MEMBERS, FEATURES, BOXES, INPUTS}))
    anchors, levels = ((30, 4), 5) if family == "faster_rcnn" else ((80, 3), 2)
    assert [y.shape for y in out.members] == [(2, *anchors)] * 2
    assert out.features.shape == (2, 16 * levels) and out.inputs.shape == (2, 3, 64, 64)
    for image in out.boxes:
        m = len(image.scores)
        assert image.boxes.shape == (m, 4) and image.features.shape == (m, 16)


@pytest.mark.parametrize("family", DENSE)
def test_both_classifiers_have_a_heat_map(family):
    model = model_of(family)
    with torch.no_grad():
        maps = model.heat_maps(model.extract_feat(data_of(model, training=False)["inputs"]))
    assert [m.shape for m in maps] == [(2, 8, 8)] * 2


@pytest.mark.parametrize("family", ["fcos", "gfl", "rtmdet_sep_bn"])
def test_dropout_changes_scores_and_no_boxes(family):
    model = model_of(family, dropout=0.5)
    feats = model.extract_feat(data_of(model, training=False)["inputs"])
    head = model.bbox_head
    with torch.no_grad():
        (first, second), boxes, *_ = head(feats)
        with fixed_masks(model, 3):
            dropped, same, *_ = head(feats)
            again = head(feats)[0]
        with fixed_masks(model, 4):
            other = head(feats)[0]
    assert all(torch.equal(a, b) for a, b in zip(boxes, same, strict=True))
    for own, k in ((first, 0), (second, 1)):
        assert torch.equal(dropped[k][0], again[k][0])
        assert not torch.equal(dropped[k][0], own[0])
        assert not torch.equal(dropped[k][0], other[k][0])


def test_a_set_of_scores_that_there_is_not_assigns_no_targets():
    with pytest.raises(ValueError, match="assign_by is 'f2'; use one of mean, f1"):
        model_of("rtmdet", assign_by="f2")


def test_a_module_that_adds_nothing_changes_no_loss():
    model = model_of("fcos")
    data = data_of(model)
    before = model(**copy.deepcopy(data), mode="loss")
    for name in ("first", "second"):
        model.add_extension(name, Extension())
    assert list(model.method_modules) == ["first", "second"]
    after = model(**data, mode="loss")
    assert before.keys() == after.keys()
    assert all(value(before[k]) == value(after[k]) for k in before)
    (out,) = model.eval().passes(**data, needs=frozenset({FEATURES}))
    assert out.extras == {}


def test_losses_of_two_stages_are_those_of_plain_second_stages():
    """The plain detector draws the same regions from the same random state."""
    model, plain = model_of("faster_rcnn"), model_of("faster_rcnn", plain=True)
    data, layer, state = data_of(model), LAYERS["faster_rcnn"], model.state_dict()
    plain.train()

    def losses_of(detector):
        torch.manual_seed(3)
        return detector(**copy.deepcopy(data), mode="loss")

    losses = losses_of(model)
    for name, prefix in (("loss_cls1", f"{layer}."), ("loss_cls2", f"{layer}2.")):
        one = {k: v for k, v in state.items() if not k.startswith((f"{layer}.", f"{layer}2."))}
        one |= {k.replace(prefix, f"{layer}."): v for k, v in state.items() if k.startswith(prefix)}
        plain.load_state_dict(one)
        expected = losses_of(plain)
        assert value(losses[name]) == pytest.approx(value(expected["loss_cls"]), rel=1e-5)
        for other in ("loss_bbox", "loss_rpn_cls", "loss_rpn_bbox"):
            assert value(losses[other]) == pytest.approx(value(expected[other]), rel=1e-5)
    assert losses.keys() - {"loss_cls1", "loss_cls2"} == expected.keys() - {"loss_cls"}


def test_missing_proposals_are_background_for_certain():
    model = model_of("faster_rcnn")
    y = torch.full((3, 4), 0.25)
    filled = model._filled(y)
    assert filled.shape == (30, 4) and torch.equal(filled[:3], y)
    assert mean_entropy([filled[3:]] * 2).sum() == 0 and (filled[3:, 3] == 1).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plain_checkpoint_loads_into_the_first_classifier(family):
    plain, model = model_of(family, seed=1, plain=True), model_of(family, seed=2)
    missing, unexpected = model.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected and all(name.startswith(f"{LAYERS[family]}2.") for name in missing)
    one = model_of(family, num_classifiers=1)
    one.load_state_dict(plain.state_dict())
    data = data_of(one, training=False)
    with torch.no_grad():
        ours = one(**data, mode="predict")[0].pred_instances
        theirs = plain.eval()(**data, mode="predict")[0].pred_instances
    assert torch.equal(ours.scores, theirs.scores) and torch.equal(ours.bboxes, theirs.bboxes)


@pytest.mark.parametrize("kind", ["DETR", "CascadeRCNN", "YOLOX", "RTMDet"])
def test_a_detector_that_cannot_have_two_classifiers_is_refused(kind):
    """RTMDet is one as mmdet has it; its head here is another."""
    cfg = tiny_config("nowhere", model=dict(type=kind, _delete_=True))
    with pytest.raises(ADSError, match=rf"which {kind} cannot have; SSD, .* and Faster R-CNN can"):
        check_training(cfg)
    cfg.method = dict(type="ads_det.Plain")
    check_training(cfg)
