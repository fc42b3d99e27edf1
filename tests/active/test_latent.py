"""VAAL and SRAAL: who moves whom, what is picked, and what a bad argument says."""

import itertools

import numpy as np
import pytest
import torch
from helpers import dump_config, moved, state_of, tiny_classification_config

from ads_det.active.adversarial import LatentBatch, LatentGame
from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.strategies import SRAAL, VAAL
from ads_det.active.strategies.base import Candidates
from ads_det.benchmark.methods import Method, method_config
from ads_det.core.outputs import Outputs
from ads_det.errors import ADSError
from ads_det.models.latent import Discriminator, Encoder, ImageDecoder, TargetDecoder

SMALL = dict(size=8, z_dim=4, width=2, iterations=6, batch_size=8)


def game(kind="vaal", **changes):
    torch.manual_seed(0)
    more = dict(num_classes=3) if kind == "sraal" else {}
    return LatentGame(8, 4, 2, average_kl=True, lr=0.01, **more, **changes)


def batch(target=0.0, shift=0.0, n=16):
    generator = torch.Generator().manual_seed(1)
    labeled, unlabeled = torch.randn(2, n, 3, 8, 8, generator=generator)
    classes = torch.eye(3)[torch.arange(n) % 3]
    return LatentBatch(labeled + shift, unlabeled - shift, classes, target)


def fitted(strategy, seed=0):
    """The strategy with random weights and statistics of BatchNorm that are not those of init."""
    torch.manual_seed(seed)
    encoder, discriminator = Encoder(8, 4, 2), Discriminator(4)
    with torch.no_grad():
        encoder(torch.randn(32, 3, 8, 8) * 2 + 1)
    strategy.load_fitted(
        dict(encoder=encoder.state_dict(), discriminator=discriminator.state_dict())
    )
    return strategy


# -- networks -----------------------------------------------------------------------------------


def size_of(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def test_the_networks_of_32_pixels_are_the_published_ones():
    with torch.device("meta"):
        encoder, decoder = Encoder(32, 32, 128), ImageDecoder(32, 32, 128)
        assert size_of(encoder, decoder) == 22_835_139
        assert size_of(Discriminator(32)) == 280_065
        target = TargetDecoder(32, 10, 128)
        assert [m.out_features for m in list(target)[::2]] == [16384, 120, 84, 10]
        images = torch.empty(2, 3, 32, 32)
        assert encoder.layers(images).shape == (2, 4096)


@pytest.mark.parametrize("size", [8, 64, 256])
def test_images_of_any_power_of_two_come_back_in_their_size(size):
    encoder, decoder = Encoder(size, 4, 2).eval(), ImageDecoder(size, 4, 2).eval()
    mu, _ = encoder(encoder.prepare(torch.rand(1, 3, 30, 50)))
    assert mu.shape == (1, 4) and decoder(mu).shape == (1, 3, size, size)


# -- who moves whom -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["vaal", "sraal"])
def test_the_adversarial_term_moves_the_encoder(kind):
    """Public code detaches mu here, and then nothing is adversarial."""
    played = game(kind)
    played.generator_losses(batch())["adversarial"].backward()
    for name, parameter in played.encoder.named_parameters():
        if "logvar" not in name:  # D looks at mu
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert all(p.grad is None for p in played.decoder.parameters())


@pytest.mark.parametrize("kind", ["vaal", "sraal"])
def test_each_step_moves_its_own_side(kind):
    played = game(kind)
    before = state_of(played)
    played.generator_step(batch())
    sides = {name.split(".")[0] for name in moved(before, played)}
    mine = {"encoder", "decoder"} | ({"target_decoder"} if kind == "sraal" else set())
    assert sides == mine
    before = state_of(played)
    played.discriminator_step(batch())
    changed = moved(before, played)
    statistics = {n for n in changed if n.split(".")[-1].startswith(("running", "num_batches"))}
    assert {name.split(".")[0] for name in changed - statistics} == {"discriminator"}


def test_encoder_steps_deceive_and_discriminator_steps_see_through():
    played, images = game(), batch(shift=0.5)
    for _ in range(40):
        played.discriminator_step(images)
    labeled, unlabeled = played.logits_of(images)
    before = unlabeled.mean()
    assert labeled.mean() > unlabeled.mean()
    for parameter in played.decoder.parameters():
        parameter.requires_grad_(False)
    for _ in range(20):
        loss = played.generator_losses(images)["adversarial"]
        played._update(played.generator_optimizer, loss)
    assert played.logits_of(images)[1].mean() > before


def test_uncertain_images_pass_less_for_labelled():
    """SRAAL's target 1 - u: where u is 0 an unlabelled image is as good as a labelled one."""
    means = []
    for target in (1.0, 0.1):
        played = game("sraal")
        for _ in range(30):
            played.discriminator_step(batch(target=torch.full((16,), target)))
        means.append(played.logits_of(batch())[1].mean().item())
    assert means[0] > means[1] + 1


def test_a_loss_that_is_not_finite_ends_the_training():
    images = batch()
    broken = LatentBatch(images.labeled * float("nan"), images.unlabeled)
    with pytest.raises(ADSError, match=r"not finite any more at step 1; set .*preset='kl_mean'"):
        game().play(itertools.repeat(broken), 10, 2)


# -- scores ---------------------------------------------------------------------------------------


def test_what_passes_least_for_labelled_is_picked_first():
    """The direction: D(mu) smallest first."""
    strategy = fitted(VAAL(**SMALL))
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        mu = strategy._encoder(strategy._encoder.prepare(images))[0]
        passes_for_labeled = strategy._discriminator(mu).sigmoid()
        values = strategy.measure(Outputs(inputs=images)).numpy()
    ids = [f"image{i}" for i in range(6)]
    picks, _ = strategy.query(Candidates(ids, values, np.random.default_rng(0)), 6)
    assert picks == [ids[i] for i in passes_for_labeled.argsort().tolist()]


def test_a_score_depends_on_no_other_image():
    """In train mode BatchNorm would see to it that it does."""
    strategy = fitted(VAAL(**SMALL))
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        together = strategy.measure(Outputs(inputs=images))
        alone = torch.cat([strategy.measure(Outputs(inputs=images[i : i + 1])) for i in range(6)])
        strategy._encoder.train()
        broken = strategy.measure(Outputs(inputs=images))
    assert torch.allclose(together, alone, atol=1e-6)
    assert not torch.allclose(together, broken, atol=1e-3)


def test_scores_that_are_sure_do_not_tie():
    strategy = fitted(VAAL(**SMALL))
    strategy._discriminator[4].bias.data -= 40
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert len(set(strategy.measure(Outputs(inputs=images)).tolist())) == 6


# -- runs -----------------------------------------------------------------------------------------


def options(kind, **arguments):
    plain = {"method": dict(type="ads_det.Plain"), "active_learning.cycles": 2}
    return plain | {"active_learning.strategy": dict(type=kind, **(SMALL | arguments))}


def texts(work_dir):
    files = [p for p in work_dir.rglob("*") if p.suffix in (".csv", ".txt")]
    return {str(p.relative_to(work_dir)): p.read_text() for p in files if p.name != "history.csv"}


def test_a_training_that_was_killed_is_repeated_to_the_same_bytes(tmp_path, capsys):
    """Of a classifier; tests/active/test_every_method.py has detectors."""
    cfg = tiny_classification_config(**options("ads_det.VAAL"), **{"model.num_classifiers": 1})
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    ActiveLearningLoop(cfg, whole).run()
    out = capsys.readouterr().out
    assert "kl " in out and "reconstruction " in out and "balanced accuracy" in out
    steps = itertools.count()
    original = LatentGame.discriminator_step

    def stop(self, images):
        if next(steps) == 3:
            raise KeyboardInterrupt
        return original(self, images)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LatentGame, "discriminator_step", stop)
        with pytest.raises(KeyboardInterrupt):
            ActiveLearningLoop(cfg, cut).run()
    assert not (cut / "cycle_00/sampler.pth").exists()
    torch.manual_seed(99)  # another process stands elsewhere
    ActiveLearningLoop(cfg, cut, resume=True).run()
    assert texts(cut) == texts(whole)
    files = [(d / "cycle_00/sampler.pth").read_bytes() for d in (whole, cut)]
    assert files[0] == files[1]


def test_a_guessing_discriminator_is_said_to_guess(tmp_path, capsys):
    """With a learning rate that moves nothing and a discriminator that says one thing of all."""
    cfg = tiny_classification_config(
        **options("ads_det.VAAL", lr=1e-12), **{"model.num_classifiers": 1}
    )
    with pytest.MonkeyPatch.context() as patch:
        zero = lambda module: [torch.nn.init.zeros_(p) for p in module.parameters()]  # noqa: E731
        original = Discriminator.__init__

        def blind(self, z_dim):
            original(self, z_dim)
            zero(self)

        patch.setattr(Discriminator, "__init__", blind)
        ActiveLearningLoop(cfg, tmp_path / "run").run()
    assert "picks are as good as random" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ads_det.VAAL", "ads_det.SRAAL"])
def test_the_game_does_not_depend_on_the_number_of_processes(kind, on_processes, tmp_path):
    cfg = tiny_classification_config(**options(kind), **{"model.num_classifiers": 1})
    run = tmp_path / "run"
    ActiveLearningLoop(cfg, run).run()
    dump_config(cfg, tmp_path / "tiny.py")
    folder = run / "cycle_00"
    results = []
    for processes in (1, 2):
        out = tmp_path / f"out{processes}"
        arguments = (tmp_path / "tiny.py", folder / "model.pth", "--out", out, "--number", 10)
        on_processes(processes, "select_images.py", *arguments, "--exclude", folder / "labeled.txt")
        results.append([(out / name).read_bytes() for name in ("sampler.pth", "scores.csv")])
    assert results[0] == results[1]


# -- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (VAAL, dict(z_dim=0), "z_dim is 0; use a whole number of 1 or more"),
        (VAAL, dict(size=48), "size is 48; use a power of two"),
        (VAAL, dict(size=4), "size is 4; use a power of two"),
        (VAAL, dict(preset="best"), "preset is 'best'; use one of official, kl_mean"),
        (VAAL, dict(lr=0), "lr is 0; use a number between 0 and 1"),
        (VAAL, dict(iterations=True), "iterations is True; use a whole number"),
        (SRAAL, dict(topk=0), "topk is 0"),
        (SRAAL, dict(background=1), "background is 1; use True or False"),
    ],
)
def test_an_argument_without_meaning_is_refused(kind, changes, message):
    with pytest.raises(ValueError, match=message):
        kind(**changes)


@pytest.mark.parametrize("name", ["vaal", "sraal"])
def test_the_benchmark_knows_them_by_name(name):
    cfg = tiny_classification_config(**{"active_learning.strategy.iterations": 5})
    found = method_config(cfg, Method("plain", name), {})
    assert found.active_learning.strategy == dict(type=f"ads_det.{name.upper()}", iterations=5)
