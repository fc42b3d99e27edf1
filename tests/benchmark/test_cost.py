"""The counter of passes, where the counts are known beforehand."""

import pytest
import torch
from helpers import tiny_classification_config

from ads_det.benchmark.cost import PassCounter, measure_cost
from ads_det.benchmark.methods import method_config, parse_methods
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


def test_costs_of_methods(tmp_path):
    """16 labelled and 16 unlabelled images in batches of 8, two epochs: four label updates."""
    cfg = tiny_classification_config(**{"train_cfg.max_epochs": 2})
    images = candidate_dataset(cfg)
    images.full_init()
    ids = [images.get_data_info(i)["img_id"] for i in range(32)]
    lists = tmp_path / "labeled.txt", tmp_path / "unlabeled.txt"
    write_ids(lists[0], ids[:16])
    write_ids(lists[1], ids[16:])
    names = ["plain+random", "ads+discrepancy", "ll4al+learnedloss", "dropout+bald"]
    names += ["ensemble+bald", "equal+entropy"]
    costs = {
        m.name: measure_cost(method_config(cfg, m, {}), tmp_path / m.name, *lists)
        for m in parse_methods(names)
    }
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
