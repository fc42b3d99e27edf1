"""A label step reads no value back from the device, which would have to end all else first."""

import torch
from helpers import build_classifier, build_detector, classification_batch, detection_batch
from mmengine.optim import OptimWrapper
from torch.utils._python_dispatch import TorchDispatchMode

from ads_det.core.criterion import ADSCriterion
from ads_det.engine.phases import run_agreement, run_discrepancy
from ads_det.models import losses

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "_unique2", "equal")


class Waits(TorchDispatchMode):
    """Names of the operations whose result, or its size, the host must know."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        masks = args[1] if name.startswith("index") and len(args) > 1 else ()
        masks = masks if isinstance(masks, (list, tuple)) else ()
        if name in WAITS or any(
            isinstance(m, torch.Tensor) and m.dtype == torch.bool for m in masks
        ):
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def test_the_counter_sees_what_waits():
    x = torch.ones(3)
    with Waits() as waits:
        x.sum().item()
        bool((x > 0).all())
        x[x > 0]
        (x > 0).nonzero()
    assert waits.seen == ["_local_scalar_dense"] * 2 + ["index", "nonzero"]


def waits_of_a_label_step(model, batch):
    data = model.data_preprocessor(batch, training=True)
    with Waits() as waits:
        loss, _ = model.parse_losses(model.forward(**data, mode="loss"))
        loss.backward()
    return waits.seen


def test_forward_and_backward_of_ssd_read_nothing_back(monkeypatch):
    # the branch of other devices; a CPU has nobody to wait for
    monkeypatch.setattr(losses, "on_cpu", lambda tensor: False)
    assert waits_of_a_label_step(build_detector(), detection_batch()) == []


def test_forward_and_backward_of_a_classifier_read_nothing_back():
    assert waits_of_a_label_step(build_classifier(), classification_batch()) == []


def test_a_step_of_a_phase_waits_for_its_loss_alone():
    model = build_classifier()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01))
    criterion = ADSCriterion()
    passes = {}
    for steps in (1, 3):
        batches = [classification_batch(seed=k) for k in range(steps)]
        with Waits() as waits:
            run_agreement(model, wrapper, batches, criterion)
            run_discrepancy(model, wrapper, batches, iter(batches), criterion)
        passes[steps] = len(waits.seen)
    # two more steps of either phase, each with one look whether the loss is finite
    assert passes[3] - passes[1] == 2 * 2
