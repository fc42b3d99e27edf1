"""Which parameters move in which phase, bit by bit."""

import itertools
from contextlib import contextmanager

import pytest
import torch
from helpers import build_detector, detection_batch, moved, state_of
from mmengine.optim import OptimWrapper

from ads_det.core.criterion import ADSCriterion
from ads_det.core.losses import classifier_discrepancy
from ads_det.engine.phases import only_classifiers_train, run_agreement, run_discrepancy
from ads_det.errors import ADSError


def wrapper(model, lr=0.05):
    # momentum and decay would move frozen parameters if they had gradients
    sgd = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=0.01)
    return OptimWrapper(sgd)


def agree(model, batches, optim=None, **kwargs):
    return run_agreement(model, optim or wrapper(model), batches, ADSCriterion(), **kwargs)


def disagree(model, batches, optim=None, **kwargs):
    labeled = itertools.repeat(detection_batch(seed=9))
    return run_discrepancy(
        model, optim or wrapper(model), batches, labeled, ADSCriterion(), **kwargs
    )


def is_classifier(name):
    return ".cls_convs" in name


@pytest.fixture(params=["sigmoid", "softmax"])
def model(request):
    return build_detector(activation=request.param)


def test_agreement_moves_features_only(model):
    before = state_of(model)
    agree(model, [detection_batch(seed=s) for s in (1, 2)])
    names = moved(before, model)
    assert not any(is_classifier(n) for n in names)
    assert {n for n in names if n.endswith("conv1.weight")}
    assert {n for n in names if n.endswith("running_mean")}


def test_discrepancy_moves_classifiers_only(model):
    before = state_of(model)
    disagree(model, [detection_batch(seed=s) for s in (1, 2)])
    names = moved(before, model)
    assert names == {n for n in before if is_classifier(n)}  # both, and nothing else


def test_frozen_classifiers_keep_batchnorm_statistics_of_their_own():
    """SSDLite's classifiers have BatchNorm."""
    model = build_detector(use_depthwise=True, norm_cfg=dict(type="BN"))
    assert any("running_mean" in n for n in model.state_dict() if is_classifier(n))
    before = state_of(model)
    agree(model, [detection_batch(seed=1)])
    assert not any(is_classifier(n) for n in moved(before, model))


def test_momentum_of_one_phase_leaves_the_frozen_part_alone(model):
    """Also with one optimiser that has momentum of both parts from a training step."""
    optim = wrapper(model)
    model.train_step(detection_batch(), optim)
    before = state_of(model)
    disagree(model, [detection_batch(seed=1)], optim)
    assert all(is_classifier(n) for n in moved(before, model))
    before = state_of(model)
    agree(model, [detection_batch(seed=1)], optim)
    assert not any(is_classifier(n) for n in moved(before, model))


def gap(model, batch):
    with torch.no_grad(), only_classifiers_train(model):  # frozen BatchNorm statistics
        data = model.data_preprocessor(batch, training=False)
        return classifier_discrepancy(*model.forward(data["inputs"], mode="outputs").members).mean()


def test_agreement_lowers_and_discrepancy_raises_the_gap(model):
    batch = detection_batch(n=4, seed=3)
    start = gap(model, batch)
    agree(model, [batch] * 10, wrapper(model, lr=0.1))
    agreed = gap(model, batch)
    assert agreed < start
    # the labelled term alone pulls the classifiers together: weigh the unlabelled one up
    disagree(model, [batch] * 10, wrapper(model, lr=0.01), loss_weight=100.0)
    assert gap(model, batch) > agreed


def test_views_are_made_in_full_precision(model):
    """Autocast, which the context switches on, would round where a zoom looks."""
    inside, seen = [], []

    @contextmanager
    def context(model):
        inside.append(True)
        yield
        inside.pop()

    def view(inputs):
        seen.append(list(inside))
        return inputs

    optim = wrapper(model)
    optim.optim_context = context
    for phase in (agree, disagree):
        phase(model, [detection_batch()], optim, view=view)
    assert seen == [[], []]


def test_discrepancy_computes_features_without_gradient(model):
    seen = []
    handle = model.neck.register_forward_hook(
        lambda *args: seen.append(any(t.requires_grad for t in args[2]))
    )
    disagree(model, [detection_batch(seed=1)])
    handle.remove()
    assert seen == [False, False]  # the unlabelled and the labelled batch, once each


def test_box_branch_is_not_run_on_unlabelled_images(model):
    calls = []
    model.bbox_head.reg_convs[0].register_forward_hook(lambda *a: calls.append(1))
    agree(model, [detection_batch(seed=1)])
    disagree(model, [detection_batch(seed=1)])
    assert not calls


def test_flags_and_modes_are_restored_also_after_an_error(model):
    model.eval()
    model.backbone.conv1.weight.requires_grad_(False)
    flags = [p.requires_grad for p in model.parameters()]
    agree(model, [detection_batch(seed=1)])
    with pytest.raises(RuntimeError, match="loader broke"):

        def broken():
            yield detection_batch(seed=1)
            raise RuntimeError("loader broke")

        disagree(model, broken())
    assert [p.requires_grad for p in model.parameters()] == flags
    assert not any(m.training for m in model.modules())


def test_stats_are_means_over_images():
    model = build_detector()
    one = agree(model, [detection_batch(n=2, seed=1)], wrapper(model, lr=0.0))
    assert one.images == 2
    assert 0 < one.discrepancy < 1
    assert 0 < one.loss < one.discrepancy  # weights of Eq. 4 lie below 1 / n
    both = agree(
        model, [detection_batch(n=2, seed=1), detection_batch(n=4, seed=2)], wrapper(model, lr=0.0)
    )
    assert both.images == 6


def test_predicted_filter_keeps_images_with_a_confident_object():
    model = build_detector()
    batch = detection_batch(n=4, seed=1)
    model.train()
    with torch.no_grad():
        data = model.data_preprocessor(batch, training=True)
        y1, y2 = model.forward(data["inputs"], mode="outputs").members
        confidence = model.object_confidence(y1, y2).sort().values
    threshold = confidence[1:3].mean().item()
    stats = agree(build_detector(), [batch], threshold=threshold)
    assert stats.images == 2
    before = state_of(model)
    none = agree(model, [batch], threshold=1.1)
    assert none.images == 0 and none.loss == 0
    assert all("running" in n or "num_batches" in n for n in moved(before, model))
    stats = disagree(model, [batch], threshold=1.1)
    assert stats.images == 0


def test_loss_weight_zero_leaves_the_labelled_term():
    first, second = build_detector(), build_detector()
    disagree(first, [detection_batch(seed=1)], loss_weight=0.0)
    disagree(second, [detection_batch(seed=2)], loss_weight=0.0)
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def test_a_loss_that_is_not_finite_stops():
    model = build_detector()
    with torch.no_grad():
        model.bbox_head.cls_convs[0][0].weight.fill_(float("nan"))
    with pytest.raises(ADSError, match="agreement phase became nan"):
        agree(model, [detection_batch()])
