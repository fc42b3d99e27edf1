"""The loss prediction module: what it reads, whom its gradient reaches, what it is taught."""

from types import SimpleNamespace

import pytest
import torch
from family_models import build as build_family
from family_models import family_config
from helpers import CONFIGS, build_classifier, build_detector, classification_batch, detection_batch
from mmengine.structures import InstanceData
from retina_models import build_retina

from ads_det.active.settings import load_config
from ads_det.core.learned_loss import pairwise_hinge
from ads_det.engine.methods import LL4AL
from ads_det.errors import ADSError
from ads_det.registry import MODELS

NEEDS = frozenset({"predicted_loss"})
BUILD = {"ssd": build_detector, "retina": build_retina, "classifier": build_classifier}


def extended(name, seed=0, **arguments):
    model = BUILD[name](seed)
    LL4AL(**arguments).extend_model(model)
    size = 8 if name == "classifier" else 4
    batch = classification_batch(size) if name == "classifier" else detection_batch(size)
    return model, model.method_modules["loss_predictor"], model.data_preprocessor(batch, False)


def test_the_paper_s_maps_of_ssd300_and_their_parameters():
    cfg = load_config(CONFIGS / "ssd300_voc_ll4al.py")
    with torch.device("meta"):
        model = MODELS.build(cfg.model)
        LL4AL(**{k: v for k, v in cfg.method.items() if k != "type"}).extend_model(model)
        by_default = MODELS.build(cfg.model)
        LL4AL().extend_model(by_default)
    predictor = model.method_modules["loss_predictor"]
    channels = [512, 1024, 512, 256, 256, 256]
    assert [layer.in_features for layer in predictor.layers] == channels
    assert sum(p.numel() for p in predictor.parameters()) == 361_985
    other = by_default.method_modules["loss_predictor"]
    assert [layer.in_features for layer in other.layers] == channels
    # conv4_3: the 10th convolution with its ReLU, in the backbone, so before the neck's L2 norm
    layers = list(model.backbone.features)
    assert sum(isinstance(x, torch.nn.Conv2d) for x in layers[:23]) == 10
    assert hasattr(model.neck, "l2_norm")


@pytest.mark.parametrize("name", BUILD)
def test_each_map_has_a_layer_of_its_own(name):
    """As the reference, which one map read several times is not."""
    model, predictor, data = extended(name)
    model.eval()
    seen = []
    for tap in predictor.taps:
        model.get_submodule(tap).register_forward_hook(
            lambda _m, _a, out: seen.extend(out if isinstance(out, tuple) else [out])
        )
    with torch.no_grad():
        (outputs,) = model.passes(**data, needs=NEEDS)
        inner = [
            torch.relu(x.mean(dim=(2, 3)) @ layer.weight.T + layer.bias)
            for x, layer in zip(seen, predictor.layers, strict=True)
        ]
        expected = torch.cat(inner, dim=1) @ predictor.last.weight[0] + predictor.last.bias
    assert len({tuple(x.shape) for x in seen}) == len(seen) > 1  # levels are not mixed up
    assert torch.allclose(outputs.extras["predicted_loss"], expected, atol=1e-5)
    assert predictor._maps == {}  # nothing of a batch is kept


@pytest.mark.parametrize("name", BUILD)
@pytest.mark.parametrize("detached", [False, True])
def test_whom_the_gradient_reaches(name, detached):
    model, predictor, data = extended(name)
    predictor.detached = detached
    model(**data, mode="loss")["loss_learned"].backward()
    reached = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert any(n.startswith("method_modules") for n in reached)
    assert any(n.startswith("backbone") for n in reached) is not detached
    # the true losses teach; no gradient goes through them to the classifiers
    assert not any(n.startswith(("bbox_head", "heads")) for n in reached)


@pytest.mark.parametrize("name", ["ssd", "retina"])
def test_the_true_loss_of_an_image_is_its_own(name):
    model, _, data = extended(name)
    feats = model.extract_feat(data["inputs"])
    expected, positives = [], []
    for i, sample in enumerate(data["data_samples"]):
        feat = tuple(f[i : i + 1] for f in feats)
        anchors = torch.cat(
            model.bbox_head.prior_generator.grid_priors([f.shape[2:] for f in feat], device="cpu")
        )
        result = model.bbox_head.assigner.assign(
            InstanceData(priors=anchors), sample.gt_instances, None
        )
        positives.append(max(int((result.gt_inds > 0).sum()), 1))
        expected.append(model.parse_losses(model.bbox_head.loss(feat, [sample]))[0].item())
    mean = model.image_losses(feats, data["data_samples"])
    total = model.image_losses(feats, data["data_samples"], "sum")
    assert mean.tolist() == pytest.approx(expected, rel=1e-4)
    assert total.tolist() == pytest.approx([m * n for m, n in zip(expected, positives)], rel=1e-4)
    assert not mean.requires_grad and "get_targets" not in vars(model.bbox_head)


@pytest.mark.parametrize("family", ["fcos", "atss", "gfl", "rtmdet"])
def test_true_losses_ask_no_other_process_and_leave_no_trace(family, monkeypatch):
    """The average factor of another process is that of other images; BatchNorm and dropout have
    had the batch already."""

    def ask(tensor):
        raise AssertionError("asked the other processes")

    model = build_family(family_config(family)).train()
    head = model.bbox_head
    for kind in type(head).__mro__:
        monkeypatch.setattr(f"{kind.__module__}.reduce_mean", ask, raising=False)
    head.register_module("dropped", torch.nn.Dropout(0.5))
    data = model.data_preprocessor(detection_batch(), True)
    feats = model.extract_feat(data["inputs"])
    before = {k: v.clone() for k, v in head.state_dict().items()}
    losses = model.image_losses(feats, data["data_samples"])
    assert losses.isfinite().all() and len(losses.unique()) == len(losses)
    assert all(torch.equal(v, before[k]) for k, v in head.state_dict().items())
    assert all(m.training for m in head.modules())


def test_the_true_loss_of_two_stages_is_that_of_a_batch_of_one():
    model = build_family(family_config("faster_rcnn"))
    data = model.data_preprocessor(detection_batch(), True)
    feats, expected = model.extract_feat(data["inputs"]), []
    torch.manual_seed(3)  # regions are drawn
    found = model.image_losses(feats, data["data_samples"])
    torch.manual_seed(3)
    for i, sample in enumerate(data["data_samples"]):
        losses = model.label_losses(tuple(f[i : i + 1] for f in feats), [sample])
        expected.append(model.parse_losses(losses)[0].item())
    assert found.tolist() == pytest.approx(expected) and not found.requires_grad


@pytest.mark.parametrize("family", ["faster_rcnn", "fcos"])
def test_a_detector_that_does_not_tell_the_positives_of_an_image_refuses_their_sum(family):
    model = build_family(family_config(family))
    data = model.data_preprocessor(detection_batch(), True)
    feats = model.extract_feat(data["inputs"])
    with pytest.raises(ADSError, match="target='sum' needs the number of positives.*ADSF"):
        model.image_losses(feats, data["data_samples"], "sum")


def test_the_ranking_loss_of_a_batch_and_of_one_whose_middle_image_has_no_partner():
    model, _, data = extended("ssd", weight=0.5)
    model.eval()
    for size in (4, 3):
        batch = dict(inputs=data["inputs"][:size], data_samples=data["data_samples"][:size])
        (outputs,) = model.passes(**batch, needs=NEEDS)
        true = model.image_losses(model.extract_feat(batch["inputs"]), batch["data_samples"])
        paired = [i for i in range(size) if i != size - 1 - i]
        expected = 0.5 * pairwise_hinge(outputs.extras["predicted_loss"][paired], true[paired])
        found = model(**batch, mode="loss")["loss_learned"]
        assert found.item() == pytest.approx(expected.item(), rel=1e-4)
    alone = dict(inputs=data["inputs"][:1], data_samples=data["data_samples"][:1])
    assert model(**alone, mode="loss")["loss_learned"].item() == 0


def test_the_gradient_stops_after_120_of_200_epochs():
    """Not 121, as in public code, which compares the epoch by `>`."""
    model, predictor, _ = extended("classifier")
    states = []
    for iteration in range(200 * 8):
        runner = SimpleNamespace(model=model, iter=iteration, max_iters=200 * 8)
        LL4AL().before_train_iter(runner, 0)
        states.append(predictor.detached)
    assert states == [False] * (120 * 8) + [True] * (80 * 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(taps=["backbone.layer9"]), r"tap 'backbone.layer9' is no module of ADSDetector; use"),
        (dict(taps=["bbox_head"]), r"tap 'bbox_head' .* gives no map"),
        (dict(taps=[]), r"LL4AL.taps is \[\]"),
        (dict(weight=0), "LL4AL.weight is 0"),
        (dict(stop=1.5), "LL4AL.stop is 1.5"),
        (dict(target="max"), "LL4AL.target is 'max'; use one of mean, sum"),
        (dict(width=0), "LL4AL.width is 0"),
    ],
)
def test_arguments_without_meaning(arguments, message):
    with pytest.raises(ADSError, match=message):
        extended("ssd", **arguments)


def test_a_model_that_takes_no_modules_is_refused():
    with pytest.raises(ADSError, match="cannot add its module to Linear"):
        LL4AL().extend_model(torch.nn.Linear(1, 1))
