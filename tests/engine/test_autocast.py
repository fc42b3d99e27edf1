"""Mixed precision on a CPU: what is computed in bfloat16 and what is not."""

import itertools

import pytest
import torch
from helpers import (
    build_classifier,
    build_detector,
    classification_batch,
    detection_batch,
    moved,
    state_of,
)

from ads_det.core.criterion import ADSCriterion
from ads_det.engine.autocast import Bfloat16OptimWrapper
from ads_det.engine.bfloat16 import ensure_bfloat16
from ads_det.engine.methods.equal_steps import run_label_updates
from ads_det.engine.phases import run_agreement, run_discrepancy


def wrapper(model):
    return Bfloat16OptimWrapper(optimizer=torch.optim.SGD(model.parameters(), lr=0.05))


@pytest.fixture(params=["detector", "classifier"])
def case(request):
    if request.param == "detector":
        return build_detector(), detection_batch
    return build_classifier(), classification_batch


@pytest.mark.skipif(not ensure_bfloat16(), reason="this CPU gets float32")
def test_features_are_bfloat16_probabilities_and_weights_are_not(case):
    model, batch = case
    data = model.data_preprocessor(batch(), training=False)
    plain = model(**data, mode="outputs").members[0]
    with wrapper(model).optim_context(model):
        feats = model.extract_feat(data["inputs"])
        y1, _ = model(**data, mode="outputs").members
        losses = model(**data, mode="loss")
    feats = feats if isinstance(feats, tuple) else (feats,)
    assert {f.dtype for f in feats} == {torch.bfloat16}
    assert y1.dtype == torch.float32
    assert not torch.equal(y1, plain)
    assert torch.allclose(y1, plain, atol=0.03)
    assert all(torch.as_tensor(v).dtype == torch.float32 for v in losses.values() if v is not None)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_each_phase_moves_its_part_only(case):
    model, batch = case
    classifiers = {p for c in model.classifiers() for p in c.parameters()}
    theirs = {name for name, p in model.named_parameters() if p in classifiers}
    for phase in ("agreement", "discrepancy"):
        before = state_of(model)
        common = dict(optim_wrapper=wrapper(model), criterion=ADSCriterion())
        if phase == "agreement":
            run_agreement(model, unlabeled=[batch(seed=1)], **common)
            assert moved(before, model) and not moved(before, model) & theirs
        else:
            labeled = itertools.repeat(batch(seed=2))
            run_discrepancy(model, unlabeled=[batch(seed=1)], labeled=labeled, **common)
            assert moved(before, model) == theirs


def test_labelled_batches_are_made_outside_autocast(case):
    """A pipeline in this process would compute its boxes in bfloat16."""
    model, batch = case

    def labeled():
        while True:
            assert not torch.is_autocast_enabled("cpu")
            yield batch(seed=2)

    wrapped = wrapper(model)
    unlabeled = [batch(seed=1), batch(seed=3)]
    run_discrepancy(model, wrapped, unlabeled, labeled(), criterion=ADSCriterion())
    run_label_updates(model, wrapped, labeled(), updates=2)
