"""The game is played: foreground, joint schedule, views, teacher, on small trained detectors."""

import copy
import itertools

import pytest
import torch
from helpers import build_detector, build_runner, detection_batch, moved, state_of
from mmengine.optim import OptimWrapper

from ads_det.core.criterion import ADSCriterion
from ads_det.engine.methods import ADS, AgreementTeacher
from ads_det.engine.methods.joint import JointTerms
from ads_det.engine.phase_stats import AnchorStats, gradient_norms
from ads_det.engine.phases import only_classifiers_train, run_agreement, run_discrepancy
from ads_det.engine.unlabeled_views import random_zoom, strong_view, zoomed
from ads_det.errors import ADSError

LABELED = [detection_batch(n=4, seed=s) for s in (0, 1)]
UNLABELED = [*LABELED, detection_batch(n=4, seed=5)]


def adamw(model, lr):
    return OptimWrapper(torch.optim.AdamW(model.parameters(), lr=lr), clip_grad=dict(max_norm=10))


@pytest.fixture(scope="module")
def trained():
    model = build_detector()
    optim = adamw(model, 4e-3)
    for batch in itertools.islice(itertools.cycle(LABELED), 60):
        model.train_step(batch, optim)
    return model


def foreground_gap(model):
    """Mean discrepancy of the anchors on objects, without touching the model."""
    total, count = 0.0, 0
    with torch.no_grad(), only_classifiers_train(model):
        for batch in UNLABELED:
            data = model.data_preprocessor(batch, training=False)
            y1, y2 = model(data["inputs"], mode="outputs").members
            keep = model.confidence(y1, y2) >= 0.3
            total += (y1 - y2).abs().mean(dim=-1)[keep].sum().item()
            count += keep.sum().item()
    assert count > 5  # else nothing was learnt
    return total / count


def phase(model, kind, normalization):
    own = copy.deepcopy(model)
    batches, criterion = UNLABELED * 6, ADSCriterion(normalization=normalization)
    if kind == "agreement":
        stats = run_agreement(own, adamw(own, 4e-4), batches, criterion)
    else:
        labeled = itertools.cycle(LABELED)
        stats = run_discrepancy(own, adamw(own, 4e-4), batches, labeled, criterion)
    return foreground_gap(own), stats


def test_a_discrepancy_epoch_raises_and_an_agreement_epoch_lowers_the_foreground_gap(trained):
    before = foreground_gap(trained)
    apart, stats = phase(trained, "discrepancy", "foreground")
    assert apart > 1.05 * before
    assert stats.foreground_gradient > stats.background_gradient > 0
    agreed, _ = phase(trained, "agreement", "foreground")
    assert agreed < 0.7 * before
    # with the paper's mean over anchors the labelled term wins, and background leads the phase
    as_written, stats = phase(trained, "discrepancy", "mean")
    assert as_written < before
    assert stats.background_gradient > stats.foreground_gradient > 0


def test_the_log_tells_foreground_and_background_apart(trained):
    own = copy.deepcopy(trained)
    still = OptimWrapper(torch.optim.SGD(own.parameters(), lr=0.0))
    stats = run_agreement(own, still, UNLABELED[:1], ADSCriterion())
    assert type(stats) is AnchorStats
    own = copy.deepcopy(trained).train()
    with torch.no_grad():
        inputs = own.data_preprocessor(UNLABELED[0], training=True)["inputs"]
        y1, y2 = own(inputs, mode="outputs").members
    gap, front = (y1 - y2).abs().mean(dim=-1), ((y1 + y2) / 2).amax(dim=-1) >= 0.3
    entropy = (torch.special.entr(y1) + torch.special.entr(y2)).sum(dim=-1) / 2
    assert stats.foreground_anchors == pytest.approx(front.float().mean().item())
    for name, keep in (("foreground", front), ("background", ~front)):
        expected = gap[keep].mean().item(), entropy[keep].mean().item()
        found = getattr(stats, f"{name}_discrepancy"), getattr(stats, f"{name}_entropy")
        assert found == pytest.approx(expected, rel=1e-4)


def test_gradient_norms_by_hand_leave_nothing_behind():
    a, b, fixed = (torch.nn.Parameter(torch.tensor([v])) for v in (3.0, 4.0, 1.0))
    fixed.requires_grad_(False)
    losses = [(a**2 / 2 + b**2 / 2 + fixed).sum(), 2 * b.sum(), torch.zeros(())]
    assert gradient_norms(losses, [a, b, fixed]) == pytest.approx((5, 2, 0))
    assert a.grad is None and b.grad is None


# -- joint schedule ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["agreement", "discrepancy"])
def test_each_joint_term_moves_its_own_part(name):
    model = build_detector().train()
    terms = JointTerms(ADS(schedule="joint", positive_filter="none"))
    terms.start(iter(UNLABELED))
    terms.next_batch(model)
    loss = terms.losses(model, None, None)[f"loss_{name}"]
    loss.backward()
    reached = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    is_f = {".cls_convs" in n for n in reached}
    assert reached and is_f == {name == "discrepancy"}
    assert all(p.requires_grad for p in model.bbox_head.cls_convs.parameters())
    assert terms.losses(model, None, None) == {}  # a batch is used once


def test_joint_training_logs_both_terms_and_resumes_exactly(digits, tmp_path, monkeypatch):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    options = {"method.schedule": "joint", "method.normalization": "foreground"}
    options |= {"method.zoom": (0.8, 1.2)}
    uninterrupted = build_runner(digits, whole, **options)
    uninterrupted.train()
    for name in ("agreement", "discrepancy"):
        hub = uninterrupted.message_hub
        assert hub.get_scalar(f"train/{name}_images").current() == 8
        assert hub.get_scalar(f"train/{name}_loss").current() > 0
    plain = build_runner(digits, tmp_path, method="ads_det.Plain")
    plain.train()
    assert moved(state_of(plain.model), uninterrupted.model)
    check_resumed(digits, cut, options, uninterrupted.model)


def check_resumed(digits, folder, options, expected):
    first = build_runner(digits, folder, **options)

    class Stop(Exception):
        pass

    def stop(runner):
        if runner.epoch == 2:
            raise Stop

    first.hooks[-1].before_train_epoch = stop
    with pytest.raises(Stop):
        first.train()
    second = build_runner(digits, folder, **options)
    second.train()
    assert not moved(state_of(expected), second.model)


# -- views ------------------------------------------------------------------------------------


def test_zoom_by_hand():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    same = zoomed(image, torch.ones(1), torch.tensor([[0.3, -1.0]]))
    assert torch.allclose(same, image, atol=1e-5)
    corner = zoomed(image, torch.tensor([2.0]), torch.tensor([[-1.0, -1.0]]))
    # the upper left quarter, 2 x 2 pixels, on 4 x 4: its centre is the mean of the four
    assert corner[0, 0, 1:3, 1:3].mean().item() == pytest.approx((0 + 1 + 4 + 5) / 4)
    small = zoomed(image + 1, torch.tensor([0.5]), torch.zeros(1, 2))
    assert small[0, 0, 0].eq(0).all() and small[0, 0, 1:3, 1:3].gt(0).all()
    assert small[0, 0, 1, 1].item() == pytest.approx((1 + 2 + 5 + 6) / 4)


def test_views_are_functions_of_the_random_state_and_keep_shape():
    images = torch.randn(3, 3, 8, 6)
    for view in (lambda x: random_zoom(x, 0.5, 2.0), strong_view):
        torch.manual_seed(1)
        first = view(images)
        torch.manual_seed(1)
        assert torch.equal(first, view(images))
        assert first.shape == images.shape and not torch.allclose(first, view(images))
    unchanged = strong_view(images, contrast=0.0, cut=0.0)
    assert torch.allclose(unchanged, images, atol=1e-6)


# -- teacher ----------------------------------------------------------------------------------

TEACHER = {"method": dict(type="ads_det.AgreementTeacher", images_per_epoch=8, momentum=0.3)}


def test_the_teacher_is_the_model_of_the_cycle_and_resumes_exactly(digits, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    runner = build_runner(digits, whole, **TEACHER)
    student = {}

    def keep(own):  # before the method puts the teacher in its place
        student.update(state_of(own.model))

    runner.hooks[0].after_train = keep
    runner.train()
    assert not moved(state_of(runner.model), runner.method.teacher.module)
    assert moved(student, runner.model)
    check_resumed(digits, cut, TEACHER, runner.model)


def test_targets_change_the_training_and_loss_weight_0_is_the_control(digits, tmp_path):
    models = {}
    for name, change in (("gated", {}), ("free", dict(gate=None)), ("zero", dict(loss_weight=0))):
        (tmp_path / name).mkdir()
        runner = build_runner(digits, tmp_path / name, method=TEACHER["method"] | change)
        runner.train()
        models[name] = runner.model
    assert moved(state_of(models["zero"]), models["gated"])
    assert moved(state_of(models["free"]), models["zero"])


@pytest.mark.parametrize(
    ("kind", "argument", "message"),
    [
        (ADS, dict(normalization="x"), "normalization is 'x'"),
        (ADS, dict(schedule="x"), "schedule is 'x'"),
        (ADS, dict(schedule="joint", agreement=dict(lr_mult=0.1)), "agreement has 'lr_mult'"),
        (ADS, dict(agreement=dict(weight_decay=-1)), "agreement.weight_decay is -1"),
        (ADS, dict(zoom=(2, 1)), r"zoom is \(2, 1\)"),
        (AgreementTeacher, dict(gate=2), "AgreementTeacher.gate is 2"),
        (AgreementTeacher, dict(momentum=0), "AgreementTeacher.momentum is 0"),
        (AgreementTeacher, dict(tau=-1), "AgreementTeacher.tau is -1"),
        (AgreementTeacher, dict(momentum=1), "AgreementTeacher.momentum is 1; .* 0.999999"),
        (AgreementTeacher, dict(zoom=1.5), "AgreementTeacher: zoom is 1.5"),
    ],
)
def test_arguments_without_meaning(kind, argument, message):
    with pytest.raises(ADSError, match=message):
        kind(**argument)


def test_the_decay_of_a_phase_is_an_argument(digits, tmp_path):
    options = {"method.agreement": dict(weight_decay=0.0)}
    runner = build_runner(digits, tmp_path, **options)
    runner.train()
    decays = {
        name: {group["weight_decay"] for group in wrapper.param_groups}
        for name, wrapper in runner.method._optim_wrappers.items()
    }
    assert decays == dict(agreement={0.0}, discrepancy={5e-4})
