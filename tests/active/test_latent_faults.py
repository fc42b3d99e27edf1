"""Whole losses, stored weights and known rankings of VAAL and SRAAL, where public code fails."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import build_classifier, tiny_classification_config
from torch import nn

from ads_det.active.adversarial import LatentBatch, LatentGame
from ads_det.active.fit_stage import FitStage
from ads_det.active.fitting import fit_strategy, load_fitted
from ads_det.active.scoring import measure_images
from ads_det.active.selection import select_images
from ads_det.active.strategies import SRAAL, VAAL
from ads_det.active.strategies.base import Candidates, Gathered
from ads_det.core.outputs import INPUTS, MEMBERS, Outputs
from ads_det.engine.datasets import candidate_dataset, candidate_loader
from ads_det.files import write_ids

SMALL = dict(size=8, z_dim=4, width=2, iterations=6, batch_size=8, lr=0.01)

# -- the whole loss of encoder and decoders -------------------------------------------------------


class FromImages(nn.Module):
    """A network that is a function written in a test."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize("average", [False, True])
def test_losses_of_two_labelled_and_two_unlabelled_images_by_hand(average):
    """Labelled images are 1 and unlabelled ones 0 in all pixels; the mean of a code is that pixel
    in all 4 dimensions and its variance 1; the decoder says 0.5; D is 1/2 of labelled and 3/4 of
    unlabelled codes."""
    played = LatentGame(8, 4, 2, average, lr=0.01, num_classes=3)
    played.encoder = FromImages(lambda x: (x[:, 0, 0, :4], torch.zeros(2, 4)))
    played.decoder = FromImages(lambda z: torch.full((2, 3, 8, 8), 0.5))
    played.discriminator = FromImages(lambda mu: math.log(3) * (1 - mu[:, 0]))
    says = torch.tensor([2.0, 1.0, 1.0]).log()  # probabilities 1/2, 1/4, 1/4
    played.target_decoder = FromImages(lambda z: says.expand(2, 3))
    classes = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])
    images = LatentBatch(torch.ones(2, 3, 8, 8), torch.zeros(2, 3, 8, 8), classes)
    kl = 0.5 if average else 4.0  # of labelled images, 2 x 4 halves; that of the others is 0
    wanted = dict(
        reconstruction=0.25 + 0.25,
        kl=2 * kl,  # the target learner has a bound of its own
        adversarial=math.log(2) + math.log(4 / 3),
        target=(math.log(2) + math.log(4)) / 2,
    )
    losses = {name: loss.item() for name, loss in played.generator_losses(images).items()}
    assert losses == pytest.approx(wanted)
    played.several_classes = True  # each class by itself, D's logits log 2, 0 and 0
    each = [-math.log(2 / 3) + 2 * math.log(2), math.log(3) + 2 * math.log(2)]
    assert played.generator_losses(images)["target"].item() == pytest.approx(sum(each) / 6)
    played.target_decoder = None
    wanted["kl"] = kl
    del wanted["target"]
    losses = {name: loss.item() for name, loss in played.generator_losses(images).items()}
    assert losses == pytest.approx(wanted)


def loss_of_the_papers(game, batch):
    """Negative bounds with a unit weight each: VAAL's transductive one of labelled and unlabelled
    images (Eq. 1) and its adversarial term (Eq. 2); SRAAL adds the bound of the labels (STI)."""

    def divergence(mu, logvar):
        total = torch.zeros(())
        for m, v in zip(mu.flatten(), logvar.flatten()):
            total = total - 0.5 * (1 + v - m**2 - v.exp())
        return total / mu.numel() if game.average_kl else total

    (mu_l, var_l), (mu_u, var_u) = game.encoder(batch.labeled), game.encoder(batch.unlabeled)
    z_l = mu_l + var_l.exp().sqrt() * torch.randn(mu_l.shape)
    z_u = mu_u + var_u.exp().sqrt() * torch.randn(mu_u.shape)
    bound_l = F.mse_loss(game.decoder(z_l), batch.labeled) + divergence(mu_l, var_l)
    bound_u = F.mse_loss(game.decoder(z_u), batch.unlabeled) + divergence(mu_u, var_u)
    d_l, d_u = game.discriminator(mu_l).sigmoid(), game.discriminator(mu_u).sigmoid()
    loss = bound_l + bound_u - d_l.log().mean() - d_u.log().mean()
    if game.target_decoder is not None:
        logits = game.target_decoder(z_l)
        chosen = batch.classes.bool()
        if game.several_classes:
            p = logits.sigmoid()
            fit = torch.where(chosen, p, 1 - p).log().mean()
        else:
            fit = logits.softmax(dim=1)[chosen].log().mean()
        loss = loss - fit + divergence(mu_l, var_l)
    return loss


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("kind", ["vaal", "sraal", "sraal of detection"])
def test_a_step_follows_the_gradient_of_the_published_loss(kind, average):
    """With plain gradient descent, parameters move by its gradient."""
    torch.manual_seed(0)
    more = {} if kind == "vaal" else dict(num_classes=3, several_classes=kind != "sraal")
    played = LatentGame(8, 4, 2, average, lr=0.01, **more)
    labeled, unlabeled = torch.randn(3, 3, 8, 8), torch.randn(3, 3, 8, 8)
    batch = LatentBatch(labeled, unlabeled, torch.eye(3))
    reference = copy.deepcopy(played)
    torch.manual_seed(1)
    wanted = loss_of_the_papers(reference, batch)
    wanted.backward()
    mine = [m for m in (played.encoder, played.decoder, played.target_decoder) if m is not None]
    parameters = [p for m in mine for p in m.parameters()]
    played.generator_optimizer = torch.optim.SGD(parameters, lr=0.1)
    torch.manual_seed(1)
    losses = played.generator_step(batch)
    assert sum(losses.values()).item() == pytest.approx(wanted.item(), rel=1e-4)
    own = dict(played.named_parameters())
    for name, parameter in reference.named_parameters():
        step = 0.0 if name.startswith("discriminator") else 0.1 * parameter.grad
        assert torch.allclose(own[name], parameter - step, rtol=1e-3, atol=1e-4), name


# -- scores come from the stored weights ----------------------------------------------------------


def score_from_file(state, images):
    """``-log D / (1 - D)`` of images of 8 px as the model gets them, from stored tensors alone:
    two convolutions with BatchNorm's running statistics, mu, three linear layers."""
    e, d = state["encoder"], state["discriminator"]
    x = (images - e["mean"].view(3, 1, 1)) / (2 * e["std"].view(3, 1, 1))
    for conv, norm in ((0, 1), (3, 4)):
        x = F.conv2d(x, e[f"layers.{conv}.weight"], stride=2, padding=1)
        mean, var, weight, bias = (
            e[f"layers.{norm}.{name}"].view(-1, 1, 1)
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        x = ((x - mean) / (var + 1e-5).sqrt() * weight + bias).relu()
    x = x.flatten(1) @ e["mu.weight"].T + e["mu.bias"]
    for layer in (0, 2):
        x = (x @ d[f"{layer}.weight"].T + d[f"{layer}.bias"]).relu()
    return -(x @ d["4.weight"].T + d["4.bias"]).flatten()


@pytest.mark.parametrize("kind", [VAAL, SRAAL])
def test_scores_are_those_of_the_stored_networks(kind, tmp_path):
    """Public code scored with a network that was built anew after the training."""
    cfg = tiny_classification_config(**{"model.num_classifiers": 1})
    data = candidate_dataset(cfg)
    data.full_init()
    ids = [data.get_data_info(i)["img_id"] for i in range(32)]
    labeled, candidates = tmp_path / "labeled.txt", tmp_path / "candidates.txt"
    write_ids(labeled, ids[:12])
    write_ids(candidates, ids[12:])
    model = build_classifier(num_classifiers=1)
    stage = FitStage(cfg, labeled, candidates, 0, lambda: [model])
    strategy = kind(**SMALL)
    fit_strategy(strategy, stage, tmp_path / "sampler.pth")
    load_fitted(strategy, tmp_path / "sampler.pth")
    selection = select_images(cfg, candidates, labeled, strategy, 5, 0, lambda: [model])
    loader, inputs = candidate_loader(cfg, candidates), frozenset({INPUTS})
    found = measure_images([model], loader, inputs, lambda: Gathered(lambda o: o.inputs.flatten(1)))
    images = torch.as_tensor(found.values).float().view(-1, 3, 8, 8)
    state = torch.load(tmp_path / "sampler.pth", weights_only=True)
    wanted = dict(zip(found.ids, score_from_file(state, images).tolist(), strict=True))
    scores = dict(zip(selection.ids, selection.scores.tolist(), strict=True))
    assert set(scores) == set(ids[12:]) and scores == pytest.approx(wanted, abs=1e-4)
    assert selection.picks == sorted(wanted, key=wanted.get, reverse=True)[:5]


# -- SRAAL's uncertainty --------------------------------------------------------------------------


def test_uncertainty_depends_on_no_other_image_and_changes_no_statistics(tmp_path):
    """In train mode BatchNorm would see to both. The reference is the indicator written out."""
    cfg = tiny_classification_config()
    data = candidate_dataset(cfg)
    data.full_init()
    ids = [data.get_data_info(i)["img_id"] for i in range(16)]
    write_ids(tmp_path / "labeled.txt", ids[12:])
    model = build_classifier()
    for _ in range(3):  # statistics that are not those of the images
        model.backbone(torch.randn(16, 3, 8, 8) * 2 + 1)
    model.train()
    before = copy.deepcopy(model.state_dict())
    found = []
    for size in (1, 12):
        cfg.candidate_dataloader.batch_size = size
        write_ids(tmp_path / f"{size}.txt", ids[:12])
        stage = FitStage(
            cfg, tmp_path / "labeled.txt", tmp_path / f"{size}.txt", 0, lambda: [model]
        )
        extra, target = SRAAL(**SMALL)._prepare(stage)
        found.append(1 - extra(ids[12:], ids[:12])["target"])
        assert target == pytest.approx(1 - found[-1].mean().item(), abs=1e-5)
    assert torch.allclose(*found, atol=1e-5)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    measured = stage.measure(
        frozenset({MEMBERS}), lambda: Gathered(lambda o: torch.stack(o.members, dim=1)), False
    )
    for i, u in zip(ids[:12], found[0].tolist()):
        v = torch.as_tensor(measured[i]).mean(dim=0)
        v = v / v.sum()
        flat = torch.full_like(v, (1 - v.max().item()) / (len(v) - 1))
        flat[0] = v.max()
        assert u == pytest.approx((1 - flat.var() / v.var() * v.max()).item(), abs=1e-4)


class KindsStage:
    """A stage of three kinds of images, of which as many are labelled as not, so that only the
    uncertainty of the model tells them apart: 0, 0.45 and 0.9."""

    seed = 0
    confidence = (1.0, 0.55, 0.1)  # of one of ten classes, the others alike

    def __init__(self):
        self.kinds = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(2))
        self.noise = torch.Generator().manual_seed(4)
        names = [f"u{i}" for i in range(24)] + [f"l{i}" for i in range(24)]
        self.kind_of = {name: i % 3 for i, name in enumerate(names)}

    def images(self, ids):
        """Each with noise of its own each time, so that none can be known by heart."""
        noise = torch.randn(len(ids), 3, 8, 8, generator=self.noise)
        return self.kinds[[self.kind_of[i] for i in ids]] + 0.1 * noise

    def ids(self, labeled):
        return [i for i in self.kind_of if i.startswith("l") == labeled]

    def load_models(self):
        return [nn.Linear(1, 1)]

    def outputs(self, ids):
        best = torch.tensor([self.confidence[self.kind_of[i]] for i in ids])
        others = ((1 - best) / 9).unsqueeze(1).expand(-1, 9)
        members = (torch.cat([best.unsqueeze(1), others], dim=1),)
        return Outputs(members=members, inputs=self.images(ids))

    def measure(self, needs, accumulator, labeled):
        ids, taken = self.ids(labeled), accumulator()
        with torch.no_grad():
            taken.add(self.outputs(ids))
            return dict(zip(ids, taken.result().double().numpy(), strict=True))

    def repeated(self, batch_size, batches, labeled):
        ids = self.ids(labeled)
        for _ in range(batches):
            yield ids, self.images(ids)

    def labeled_classes(self):
        return {i: torch.eye(10)[0] for i in self.ids(True)}

    def num_classes(self):
        return 10

    def is_detection(self):
        return False


def test_sraal_ranks_kinds_of_images_by_their_uncertainty(monkeypatch):
    """As long as the encoder stands still, the best D of a kind with uncertainty u is the mean of
    1 (labelled) and 1 - u; VAAL's would be 1/2 of each kind."""
    monkeypatch.setattr(LatentGame, "generator_step", lambda self, batch: {})
    stage = KindsStage()
    sizes = dict(z_dim=16, width=4, iterations=30)
    strategy = SRAAL(preset="kl_mean", **(SMALL | sizes))
    torch.manual_seed(0)
    strategy.load_fitted(strategy.fit(stage))
    ids = stage.ids(False)
    with torch.no_grad():
        values = strategy.measure(stage.outputs(ids))
    picks, _ = strategy.query(Candidates(ids, values.numpy(), np.random.default_rng(0)), 24)
    kinds = [stage.kind_of[i] for i in picks]
    assert kinds == sorted(kinds, reverse=True)
    found = [(-values[kind::3]).sigmoid().mean().item() for kind in range(3)]
    assert found == pytest.approx([1, (1 + 0.55) / 2, (1 + 0.1) / 2], abs=0.1)
