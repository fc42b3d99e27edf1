"""The counter of passes, where the counts are known beforehand."""

import pytest
import torch
from helpers import tiny_classification_config

from ads_det.benchmark.cost import measure_cost
from ads_det.benchmark.methods import method_config, parse_methods
from ads_det.benchmark.pass_counters import NetworkCounter, PassCounter
from ads_det.engine.datasets import candidate_dataset
from ads_det.files import write_ids


def test_a_counter_tells_the_directions_apart():
    layer = torch.nn.Linear(2, 2)
    counter = PassCounter(layer)
    layer(torch.rand(3, 2)).sum().backward()
    with torch.no_grad():
        layer(torch.rand(5, 2))
    assert list(counter.take().values()) == [3, 5, 3]
    assert list(counter.take().values()) == [0, 0, 0]


def test_networks_inside_others_belong_to_them_and_models_do_not_count():
    model, inner = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    outer = torch.nn.Sequential(inner, torch.nn.ReLU())
    with NetworkCounter([torch.nn.Sequential(model)]) as counter:
        outer(model(torch.rand(3, 2))).sum().backward()
        torch.nn.ReLU()(torch.rand(3, 2))
        outer.eval()(torch.rand(4, 2))
    outer(torch.rand(7, 2))  # not inside the block
    (own,) = counter.found.values()
    assert list(counter.found) == ["Sequential"] and own.modules == {outer}
    assert list(own.training.take().values()) == [3, 0, 3]
    assert list(own.evaluation.take().values()) == [4, 0, 0]


def costs_of(names, folder, epochs, **options):
    """16 labelled and 16 unlabelled images in batches of 8."""
    cfg = tiny_classification_config(**{"train_cfg.max_epochs": epochs}, **options)
    images = candidate_dataset(cfg)
    images.full_init()
    ids = [images.get_data_info(i)["img_id"] for i in range(32)]
    lists = folder / "labeled.txt", folder / "unlabeled.txt"
    write_ids(lists[0], ids[:16])
    write_ids(lists[1], ids[16:])
    return {
        m.name: measure_cost(method_config(cfg, m, {}), folder / m.name, *lists)
        for m in parse_methods(names)
    }


def test_costs_of_methods(tmp_path):
    """Two epochs: four label updates."""
    names = ["plain+random", "ads+discrepancy", "ll4al+learnedloss", "dropout+bald"]
    names += ["ensemble+bald", "equal+entropy"]
    costs = costs_of(names, tmp_path, epochs=2)
    training = {name: tuple(cost.training.values()) for name, cost in costs.items()}
    plain = costs["plain+random"]
    assert plain.updates == 4 and training["plain+random"] == (1, 0, 1)
    # one ADS epoch: 16 images of agreement, 32 without gradient in the other phase, to 32 labelled
    assert training["ads+discrepancy"] == (1.5, 1, 1.5)
    assert training["ll4al+learnedloss"] == training["dropout+bald"] == (1, 0, 1)
    assert training["ensemble+bald"] == (5, 0, 5) and training["equal+entropy"] == (2, 0, 2)
    selection = {name: (cost.features, cost.classifiers) for name, cost in costs.items()}
    assert selection == {
        "plain+random": (0, 0),
        "ads+discrepancy": (1, 1),
        "ll4al+learnedloss": (1, 0),
        "dropout+bald": (1, 25),
        "ensemble+bald": (5, 5),
        "equal+entropy": (1, 1),
    }
    extra = {name: cost.parameters - plain.parameters for name, cost in costs.items()}
    # maps of 4, 8 and 16 channels to 128 each; a second classifier from 16 to 10
    assert extra["ll4al+learnedloss"] == (4 + 8 + 16) * 128 + 3 * 128 + 3 * 128 + 1
    assert extra["ads+discrepancy"] == 16 * 10 + 10 and extra["dropout+bald"] == 0
    assert extra["ensemble+bald"] == pytest.approx(4 * plain.parameters)


def test_costs_of_networks_that_a_strategy_fits(tmp_path):
    """Iterations of 4 labelled and 4 unlabelled images: VAAL's has two updates of the generator,
    in which the discriminator passes gradients on, and one of the discriminator; SRAAL's one."""
    game = dict(type="ads_det.VAAL", size=8, z_dim=4, width=2, iterations=3, batch_size=4)
    options = {"active_learning.strategy": game}
    names = ["plain+random", "plain+vaal", "plain+sraal"]
    costs = costs_of(names, tmp_path, epochs=1, **options)
    plain = costs["plain+random"]
    assert plain.networks == {}
    training = {
        name: {k: tuple(own.training.values()) for k, own in cost.networks.items()}
        for name, cost in costs.items()
    }
    # SRAAL takes its own default of one update, as the strategy of the config names none
    vaal = {"Encoder": (4, 2, 4), "ImageDecoder": (4, 0, 4), "Discriminator": (6, 0, 6)}
    assert training["plain+vaal"] == vaal
    sraal = {"Encoder": (2, 2, 2), "ImageDecoder": (2, 0, 2), "Discriminator": (4, 0, 4)}
    assert training["plain+sraal"] == sraal | {"TargetDecoder": (1, 0, 1)}
    encoder = 3 * 8 * 16 + 8 * 16 * 16 + 2 * (8 + 16) + 2 * (64 * 4 + 4)
    decoder = 4 * 256 + 256 + 16 * 8 * 16 + 2 * 8 + 8 * 3 + 3
    discriminator = 4 * 512 + 512 + 512 * 512 + 512 + 512 + 1
    target = 4 * 256 + 256 + 256 * 120 + 120 + 120 * 84 + 84 + 84 * 10 + 10
    found = {k: own.parameters for k, own in costs["plain+sraal"].networks.items()}
    assert found == dict(
        Encoder=encoder, ImageDecoder=decoder, Discriminator=discriminator, TargetDecoder=target
    )
    extra = {name: cost.parameters - plain.parameters for name, cost in costs.items()}
    assert extra["plain+vaal"] == encoder + decoder + discriminator
    assert extra["plain+sraal"] == extra["plain+vaal"] + target
    for name in names[1:]:
        own = costs[name].networks
        # three reports of both batches, and the accuracy on all images
        assert {k: n.evaluation for k, n in own.items() if n.evaluation} == {
            "Encoder": 3 * 8 + 32,
            "Discriminator": 3 * 8 + 32,
        }
        scored = {k: n.candidates for k, n in own.items() if n.candidates}
        assert scored == {"Encoder": 1, "Discriminator": 1}
        assert costs[name].training == plain.training
    passes = {name: (cost.features, cost.classifiers) for name, cost in costs.items()}
    # SRAAL asks the trained model how uncertain it is
    assert passes == {"plain+random": (0, 0), "plain+vaal": (0, 0), "plain+sraal": (1, 1)}
