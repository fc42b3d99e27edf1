"""The classifier: its modes, and which of its parameters move in which phase."""

import itertools

import pytest
import torch
from helpers import build_classifier, classification_batch, moved, state_of
from mmengine.optim import OptimWrapper

from ads_det.core.criterion import ADSCriterion
from ads_det.engine.methods.equal_steps import run_label_updates
from ads_det.engine.phases import run_agreement, run_discrepancy
from ads_det.errors import ADSError
from ads_det.models import CIFARVGG, BatchAugmentPreprocessor, CIFARResNet
from ads_det.models.classifier import PrototypeClassifier


def wrapper(model, lr=0.05):
    # momentum and decay would move frozen parameters if they had gradients
    sgd = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=0.01)
    return OptimWrapper(sgd)


def agree(model, batches, **kwargs):
    return run_agreement(model, wrapper(model), batches, ADSCriterion(), **kwargs)


def disagree(model, batches, **kwargs):
    labeled = itertools.repeat(classification_batch(seed=9))
    return run_discrepancy(model, wrapper(model), batches, labeled, ADSCriterion(), **kwargs)


def unlabeled(seed):
    """A batch without labels, as `load_annotations=False` gives it."""
    batch = classification_batch(seed=seed)
    del batch["data_samples"].labels
    return batch


def is_statistic(name):
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))


@pytest.fixture(params=["linear", "prototype"])
def model(request):
    return build_classifier(classifier=request.param)


# -- phases -----------------------------------------------------------------------------------


def test_agreement_moves_features_and_statistics_only(model):
    before = state_of(model)
    stats = agree(model, [unlabeled(1), unlabeled(2)])
    names = moved(before, model)
    assert names == {n for n in before if n.startswith("backbone.")}
    assert stats.images == 16


def test_discrepancy_moves_classifiers_only(model):
    before = state_of(model)
    disagree(model, [unlabeled(1), unlabeled(2)])
    assert moved(before, model) == {n for n in before if n.startswith("heads.")}


def test_statistics_move_in_the_discrepancy_phase_if_asked_to(model):
    before = state_of(model)
    disagree(model, [unlabeled(1)], freeze_statistics=False)
    names = {n for n in moved(before, model) if not n.startswith("heads.")}
    assert names == {n for n in before if is_statistic(n)}


def test_label_updates_move_everything(model):
    before = state_of(model)
    labeled = (classification_batch(seed=s) for s in itertools.count())
    stats = run_label_updates(model, wrapper(model), labeled, 3)
    assert moved(before, model) == {n for n in before if not n.startswith("data_preprocessor")}
    assert stats.updates == 3 and stats.loss > 0


def test_features_are_computed_once_and_without_gradient(model):
    seen = []
    model.backbone.register_forward_hook(lambda *args: seen.append(args[2].requires_grad))
    disagree(model, [unlabeled(1)])
    assert seen == [False, False]  # the unlabelled and the labelled batch, once each


# -- modes ------------------------------------------------------------------------------------


def forward(model, batch, mode, training=False):
    model.train(training)
    return model(**model.data_preprocessor(batch, training), mode=mode)


def test_loss_is_eq1_of_both_classifiers(model):
    batch = classification_batch()
    logits = forward(model, batch, "tensor")
    expected = 0.0
    for each in logits:
        for row, label in zip(each.sigmoid().tolist(), batch["data_samples"].labels.tolist()):
            terms = torch.tensor([p if c == label else 1 - p for c, p in enumerate(row)])
            expected -= terms.log().sum().item() / len(each)
    loss = forward(model, batch, "loss")
    assert set(loss) == {"loss_label"}
    assert loss["loss_label"].item() == pytest.approx(expected, rel=1e-4)


def test_predict_and_probabilities_agree(model):
    batch = classification_batch(n=5)
    y1, y2 = forward(model, batch, "outputs").members
    assert y1.shape == (5, 10) and not torch.equal(y1, y2)
    samples = forward(model, batch, "predict")
    assert [s.img_id for s in samples] == [f"train/{i:05d}" for i in range(5)]
    for i, sample in enumerate(samples):
        assert sample.gt_label == batch["data_samples"].labels[i]
        torch.testing.assert_close(sample.pred_f1, y1[i])
        torch.testing.assert_close(sample.pred_f2, y2[i])
        torch.testing.assert_close(sample.pred_mean, (y1[i] + y2[i]) / 2)
    assert "gt_label" not in forward(model, unlabeled(1), "predict")[0]


def test_plain_model_has_half_the_loss_terms_and_one_member():
    plain, two = build_classifier(num_classifiers=1), build_classifier()
    plain.backbone.load_state_dict(two.backbone.state_dict())
    for head in two.heads:
        head.load_state_dict(plain.heads[0].state_dict())
    batch = classification_batch()
    both = forward(two, batch, "loss")["loss_label"]
    torch.testing.assert_close(2 * forward(plain, batch, "loss")["loss_label"], both)
    (y,) = forward(plain, batch, "outputs").members
    assert y.shape == (8, 10)
    assert "pred_f2" not in forward(plain, batch, "predict")[0]


def test_every_image_shows_its_class(model):
    assert model.object_confidence(torch.zeros(3, 10), torch.zeros(3, 10)).tolist() == [1, 1, 1]


def test_prototype_scores_reference():
    """max over three prototypes of cos(sigmoid(W x), prototype) / 0.05, number by number."""
    torch.manual_seed(0)
    classifier = PrototypeClassifier(channels=6, num_classes=4)
    assert [tuple(p.shape) for p in classifier.parameters()] == [(4, 3, 6), (6, 6)]
    feats = torch.randn(5, 6)
    logits = classifier(feats).tolist()
    weight, prototypes = classifier.layer.weight.tolist(), classifier.prototypes.tolist()
    for x, row in zip(feats.tolist(), logits, strict=True):
        hidden = [sum(w * v for w, v in zip(line, x)) for line in weight]
        e = [float(1 / (1 + torch.tensor(-h).exp())) for h in hidden]
        norm = sum(v * v for v in e) ** 0.5
        for c, logit in enumerate(row):
            cosines = [
                sum(a * b for a, b in zip(e, p)) / norm / sum(b * b for b in p) ** 0.5
                for p in prototypes[c]
            ]
            assert logit == pytest.approx(max(cosines) / 0.05, rel=1e-4, abs=1e-4)


# -- parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backbone", "size", "channels"),
    [
        (CIFARResNet(8, width=4), 8, 16),
        (CIFARResNet(18, width=4), 32, 32),
        (CIFARVGG(16, width=4), 32, 32),
        (CIFARVGG(11, width=4), 8, 32),
    ],
)
def test_backbones_give_one_vector_an_image(backbone, size, channels):
    assert backbone(torch.zeros(2, 3, size, size)).shape == (2, channels)
    assert backbone.out_channels == channels


def test_the_stem_keeps_the_resolution():
    backbone = CIFARResNet(18, width=4)
    assert backbone.stem(torch.zeros(1, 3, 32, 32)).shape == (1, 4, 32, 32)
    last = backbone.blocks(backbone.stem(torch.zeros(1, 3, 32, 32)))
    assert last.shape == (1, 32, 4, 4)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CIFARResNet(19), "depth is 19; use one of 8, 10, 14, 18, 34"),
        (lambda: CIFARVGG(16, width=0), "width is 0"),
        (lambda: build_classifier(classifier="x"), "classifier is 'x'"),
        (lambda: build_classifier(num_classifiers=3), "num_classifiers is 3"),
        (lambda: BatchAugmentPreprocessor(crop_padding=-1), "crop_padding is -1"),
        (lambda: BatchAugmentPreprocessor(mean=[1, 2], std=[1, 2]), "give three numbers"),
        (lambda: BatchAugmentPreprocessor(mean=[0] * 3, std=[0] * 3), "deviation 0"),
    ],
)
def test_arguments_without_meaning(build, message):
    with pytest.raises(ADSError, match=message):
        build()


def test_every_crop_and_mirror_is_a_window_of_the_padded_image():
    preprocessor = BatchAugmentPreprocessor([0] * 3, [1] * 3, crop_padding=1, flip=True)
    image = torch.arange(1, 28, dtype=torch.uint8).view(1, 3, 3, 3)
    torch.manual_seed(0)
    batch = dict(inputs=image.repeat(400, 1, 1, 1), data_samples=None)
    found = {tuple(x.flatten().int().tolist()) for x in preprocessor(batch, True)["inputs"]}
    padded = torch.nn.functional.pad(image[0].int(), (1, 1, 1, 1))
    windows = [padded[:, y : y + 3, x : x + 3] for y in range(3) for x in range(3)]
    windows += [w.flip(2) for w in windows]
    assert found == {tuple(w.flatten().tolist()) for w in windows}


def test_nothing_is_augmented_in_a_test_or_when_switched_off():
    batch = classification_batch()
    still = BatchAugmentPreprocessor([10] * 3, [2] * 3, crop_padding=0, flip=False)
    moving = BatchAugmentPreprocessor([10] * 3, [2] * 3)
    expected = (batch["inputs"].float() - 10) / 2
    assert torch.equal(still(batch, training=True)["inputs"], expected)
    assert torch.equal(moving(batch, training=False)["inputs"], expected)
    assert not torch.equal(moving(batch, training=True)["inputs"], expected)
