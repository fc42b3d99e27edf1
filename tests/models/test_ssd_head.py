import pytest
import torch
from helpers import SIZE, build_detector, detection_batch, detector_config, state_of
from mmdet.registry import MODELS as MMDET_MODELS
from torch.nn import functional as F

from ads_det.core.diversity import bootstrap_weights
from ads_det.errors import ADSError
from ads_det.models import losses, ssd_head
from ads_det.models.dropout import fixed_masks
from ads_det.models.losses import hard_negative_loss

ANCHORS = 64 * 4 + 16 * 4 + 4 * 4


def features(model, batch):
    data = model.data_preprocessor(batch, training=False)
    return model.extract_feat(data["inputs"]), data


def plain_ssd_config(**head):
    cfg = detector_config(**head)
    cfg["type"] = "SingleStageDetector"
    cfg["bbox_head"]["type"] = "SSDHead"
    return cfg


@pytest.mark.parametrize(("activation", "channels"), [("sigmoid", 3), ("softmax", 4)])
def test_probabilities_have_anchors_and_classes(activation, channels):
    model = build_detector(activation=activation)
    y1, y2 = model.forward(features(model, detection_batch())[1]["inputs"], mode="outputs").members
    assert y1.shape == y2.shape == (2, ANCHORS, channels)
    assert (y1 >= 0).all() and (y1 <= 1).all()
    assert (y1 - y2).abs().mean() > 0.01  # different initialisation
    if activation == "softmax":
        assert torch.allclose(y1.sum(-1), torch.ones(2, ANCHORS))


def test_classifiers_are_3x3_convolutions_with_stride_and_padding_1():
    for classifier in build_detector().classifiers():
        for level in classifier:
            (conv,) = level
            assert (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (1, 1), (1, 1))


@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_plain_head_is_mmdets_ssd(decoded, padded):
    """One softmax classifier: same weights, same loss as mmdet's own head."""
    head = dict(reg_decoded_bbox=decoded)
    model = build_detector(activation="softmax", num_classifiers=1, **head)
    ssd = MMDET_MODELS.build(plain_ssd_config(**head))
    ssd.load_state_dict(model.state_dict())
    batch = detection_batch()
    data = model.data_preprocessor(batch, training=True)
    if padded:  # anchors outside the second image learn nothing
        data["data_samples"][1].set_metainfo(dict(pad_shape=(SIZE, SIZE // 2)))
    ours = model.forward(**data, mode="loss")
    theirs = ssd.forward(**data, mode="loss")
    assert set(ours) == {"loss_cls1", "loss_bbox"}
    assert ours["loss_cls1"].item() == pytest.approx(sum(theirs["loss_cls"]).item(), rel=1e-5)
    assert ours["loss_bbox"].item() == pytest.approx(sum(theirs["loss_bbox"]).item(), rel=1e-5)
    (y,) = model.forward(data["inputs"], mode="outputs").members
    assert y.shape == (2, ANCHORS, 4)


def test_dropout_changes_scores_and_no_boxes():
    """In training each image has channels of its own; passes by a seed are the same for all."""
    model, plain = build_detector(dropout=0.5), build_detector()
    data = model.data_preprocessor(detection_batch(), training=True)
    inputs = data["inputs"][:1].repeat(2, 1, 1, 1)
    feats = plain.extract_feat(inputs)
    head = model.bbox_head
    head.load_state_dict(plain.bbox_head.state_dict())

    def both(head):
        (first, _), deltas = head(feats)
        return first[0], deltas

    expected, boxes = both(plain.bbox_head)
    for scores, deltas in (both(head.train()), both(head)):
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(deltas, boxes, strict=True))
        assert not torch.allclose(scores[0], scores[1]) and not torch.allclose(scores, expected)
    assert torch.allclose(both(head.eval())[0], expected, atol=1e-6)
    with fixed_masks(model, 3):
        scores = both(head)[0]
        assert torch.equal(both(head)[0], scores)
    assert torch.allclose(scores[0], scores[1], atol=1e-6)
    assert not torch.allclose(scores, expected)


def test_targets_are_computed_once_for_both_classifiers(monkeypatch):
    model = build_detector()
    calls = []
    original = type(model.bbox_head).get_targets
    monkeypatch.setattr(
        type(model.bbox_head),
        "get_targets",
        lambda self, *a, **k: (calls.append(1), original(self, *a, **k))[1],
    )
    data = model.data_preprocessor(detection_batch(), training=True)
    losses = model.forward(**data, mode="loss")
    assert set(losses) == {"loss_cls1", "loss_cls2", "loss_bbox"}
    assert len(calls) == 1


def test_sigmoid_loss_reference():
    """Eq. 1 with 3:1 hard negatives, one image and one anchor at a time."""
    model = build_detector()
    head = model.bbox_head
    data = model.data_preprocessor(detection_batch(), training=True)
    feats = model.extract_feat(data["inputs"])
    losses = head.loss(feats, data["data_samples"])
    scores, _ = head(feats)
    gt = [s.gt_instances for s in data["data_samples"]]
    metas = [s.metainfo for s in data["data_samples"]]
    labels, _, _, _, positives, _ = head._targets(scores[0], gt, metas, None)
    for name, levels in zip(("loss_cls1", "loss_cls2"), scores, strict=True):
        total = 0.0
        for logits, image_labels in zip(head._flatten(levels), labels, strict=True):
            pos, neg = [], []
            for row, label in zip(logits, image_labels.tolist(), strict=True):
                target = torch.zeros(3)
                if label < 3:
                    target[label] = 1
                value = (
                    -(target * F.logsigmoid(row) + (1 - target) * F.logsigmoid(-row)).sum().item()
                )
                (pos if label < 3 else neg).append(value)
            total += sum(pos) + sum(sorted(neg, reverse=True)[: 3 * len(pos)])
        assert losses[name].item() == pytest.approx(total / positives.item(), rel=1e-4)


def test_hard_negatives_by_hand():
    loss = torch.tensor([[5.0, 1.0, 2.0, 9.0], [7.0, 1.0, 1.0, 1.0]])
    positive = torch.tensor([[True, False, False, False], [False, False, False, False]])
    # image 0: positive 5 and the two hardest of 1, 2, 9; image 1 has no positive
    assert hard_negative_loss(loss, positive, 2).item() == 5 + 9 + 2


def test_classification_loss_equals_that_of_the_full_loss():
    model = build_detector()
    data = model.data_preprocessor(detection_batch(), training=True)
    feats = model.extract_feat(data["inputs"])
    full = model.bbox_head.loss(feats, data["data_samples"])
    alone = model.classification_loss(feats, data["data_samples"])
    assert set(alone) == {"loss_cls1", "loss_cls2"}
    assert all(torch.equal(alone[k], full[k]) for k in alone)


def test_images_without_objects_give_a_finite_loss():
    model = build_detector()
    data = model.data_preprocessor(detection_batch(boxes=0), training=True)
    losses = model.forward(**data, mode="loss")
    assert all(v.item() == 0 for v in losses.values())


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_joint_scores_activate_to_the_mean_probability(activation):
    model = build_detector(activation=activation)
    head = model.bbox_head
    feats, _ = features(model, detection_batch())
    joint = head._flatten(head._joint_scores(head(feats)[0]))
    y1, y2 = head.probabilities(feats)
    assert torch.allclose(head._activate(joint), (y1 + y2) / 2, atol=1e-5)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_predict_gives_joint_and_single_predictions(activation):
    model = build_detector(activation=activation).eval()
    with torch.no_grad():
        samples = model.test_step(detection_batch())
    for sample in samples:
        for field in ("pred_instances", "pred_instances_f1", "pred_instances_f2"):
            assert 0 < len(sample.get(field)) <= 10
        assert not torch.equal(sample.pred_instances_f1.scores, sample.pred_instances_f2.scores)


def test_plain_ssd_checkpoint_loads_into_f1():
    ssd = MMDET_MODELS.build(plain_ssd_config())
    ssd.init_weights()
    model = build_detector(seed=1, activation="softmax")
    before = state_of(model.bbox_head.cls_convs2)
    result = model.load_state_dict(ssd.state_dict(), strict=False)
    assert all("cls_convs2" in key for key in result.missing_keys)
    assert not result.unexpected_keys
    for key, value in ssd.bbox_head.cls_convs.state_dict().items():
        assert torch.equal(value, model.bbox_head.cls_convs.state_dict()[key])
        assert torch.equal(before[key], model.bbox_head.cls_convs2.state_dict()[key])
        assert key.endswith("bias") or not torch.equal(value, before[key])


def test_plain_ssd_checkpoint_converts_to_sigmoid():
    """sigmoid(s_c - s_background) = p_c / (p_c + p_background)."""
    ssd = MMDET_MODELS.build(plain_ssd_config())
    ssd.init_weights()
    model = build_detector(seed=1)
    model.load_state_dict(ssd.state_dict(), strict=False)
    ssd.eval(), model.eval()
    feats, _ = features(model, detection_batch())
    softmax = torch.cat(
        [s.permute(0, 2, 3, 1).reshape(2, -1, 4) for s in ssd.bbox_head(feats)[0]], dim=1
    ).softmax(-1)
    expected = softmax[..., :3] / (softmax[..., :3] + softmax[..., 3:])
    y1, _ = model.probabilities(feats)
    assert torch.allclose(y1, expected, atol=1e-6)


def test_object_confidence_ignores_background():
    model = build_detector(activation="softmax")
    y = torch.zeros(1, 2, 4)
    y[0, :, 3] = 0.9
    y[0, 1, 2] = 0.1
    assert model.object_confidence(y, y).item() == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("argument", "message"),
    [(dict(activation="tanh"), "activation is 'tanh'"), (dict(num_classifiers=3), "is 3")],
)
def test_arguments_without_meaning(argument, message):
    with pytest.raises(ValueError, match=message):
        build_detector(**argument)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_heat_maps_are_the_largest_probability_of_any_object_in_a_cell(activation):
    model = build_detector(activation=activation).eval()
    data = model.data_preprocessor(detection_batch(n=2), training=False)
    with torch.no_grad():
        feats = model.extract_feat(data["inputs"])
        maps = model.bbox_head.heat_maps(feats)
        y = model.probabilities(feats)
    assert [m.shape for m in maps] == [(2, 8, 8)] * 2  # 64 px at stride 8
    for heat, probabilities in zip(maps, y, strict=True):
        objects = probabilities[..., : model.num_classes]
        finest = objects[:, : 8 * 8 * 4].reshape(2, 8, 8, -1).amax(dim=-1)  # four anchors a cell
        assert (heat >= finest - 1e-6).all()
        assert torch.allclose(heat.amax(dim=(1, 2)), objects.amax(dim=(1, 2)), atol=0.02)


def test_a_prior_starts_every_class_at_its_probability():
    feats, _ = features(build_detector(prior=0.01), detection_batch())
    model = build_detector(prior=0.01)
    for classifier in model.bbox_head.classifiers():
        for level in classifier:
            assert level[-1].bias.detach().sigmoid().unique().tolist() == pytest.approx([0.01])
    assert all(y.mean().item() < 0.1 for y in model.probabilities(feats))
    with pytest.raises(ValueError, match="prior is for sigmoid"):
        build_detector(prior=0.01, activation="softmax")
    with pytest.raises(ValueError, match="prior is 1.5"):
        build_detector(prior=1.5)


def losses_of(model, names=("a", "b")):
    batch = detection_batch()
    for sample, name in zip(batch["data_samples"], names, strict=True):
        sample.set_metainfo(dict(img_id=name))
    data = model.data_preprocessor(batch, training=True)
    return model, data, model.forward(**data, mode="loss")


def test_bootstrap_weighs_images_for_each_classifier():
    _, _, plain = losses_of(build_detector())
    model, _, drawn = losses_of(build_detector(diversity="bootstrap"))
    assert drawn["loss_bbox"].item() == pytest.approx(plain["loss_bbox"].item())
    # both images under one name: one weight, by which the whole loss is scaled
    _, _, one = losses_of(build_detector(diversity="bootstrap"), names=("a", "a"))
    for member in (0, 1):
        weight = bootstrap_weights(["a"], member).item()
        key = f"loss_cls{member + 1}"
        assert one[key].item() == pytest.approx(weight * plain[key].item(), rel=1e-5)
    assert drawn["loss_cls1"].item() != pytest.approx(one["loss_cls1"].item())
    batch = detection_batch()
    with pytest.raises(ADSError, match="no img_id"):
        model.forward(**model.data_preprocessor(batch, training=True), mode="loss")


def test_separate_negatives_keep_positives_and_share_no_negative(monkeypatch):
    seen = []

    def record(loss, positive, ratio):
        seen.append((loss > 0, positive))
        return hard_negative_loss(loss, positive, ratio)

    monkeypatch.setattr(ssd_head, "hard_negative_loss", record)
    losses_of(build_detector(diversity="negatives"))
    (first, positive), (second, _) = seen
    assert positive.any() and (first & second).equal(positive)
    assert (first | second).all()
    with pytest.raises(ValueError, match="diversity is 'x'"):
        build_detector(diversity="x")


@pytest.mark.parametrize("ratio, expected", [(2.5, 9 + 5 + 4 + 3), (0.5, 9 + 5), (9, 24)])
@pytest.mark.parametrize("sorts", [True, False])
def test_hard_negatives_of_a_ratio_that_is_no_whole_number(monkeypatch, ratio, expected, sorts):
    monkeypatch.setattr(losses, "on_cpu", lambda tensor: not sorts)
    loss = torch.tensor([[5.0, 4.0, 3.0, 2.0, 1.0, 9.0]])
    positive = torch.tensor([[False] * 5 + [True]])
    assert hard_negative_loss(loss, positive, ratio).item() == expected
