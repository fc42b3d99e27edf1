"""What each method costs, as a table: counted in a training and a selection of each.

Extra parameters are those beyond plain training's one model. A pass is one image through the
features (the backbone), counted for each labelled image of a label update, over all members of an
ensemble; or, for each candidate, through features and classifier. A second table is of the
networks that a strategy fits for itself: passes in train mode in one iteration of the fit, for each
image of its labelled batch; images in eval mode in the whole fit; passes for each candidate when
it is scored. Fits are short: 2 iterations of 4 labelled and 4 unlabelled images.

    python benchmarks/method_costs.py configs/resnet8_digits_ads.py --epochs 4
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from ads_det.active.settings import load_config, prepare_data
from ads_det.benchmark.cost import Cost, measure_cost
from ads_det.benchmark.methods import method_config, parse_methods
from ads_det.benchmark.pass_counters import COUNTERS
from ads_det.engine.datasets import candidate_dataset
from ads_det.files import write_ids

METHODS = ("plain+random", "plain+entropy", "plain+coreset", "equal+random", "ads+entropy")
METHODS += ("ads+discrepancy", "ll4al+learnedloss", "dropout+bald", "ensemble+bald")
METHODS += ("plain+vaal", "plain+sraal")
SHORT_FIT = dict(iterations=2, batch_size=4)


def row(name: str, cost: Cost, plain: Cost) -> str:
    cells = [name, f"{cost.parameters - plain.parameters:,}"]
    cells += [f"{cost.training[counter]:.2f}" for counter in COUNTERS]
    cells += [f"{cost.features:.0f}", f"{cost.classifiers:.0f}"]
    return f"| {' | '.join(cells)} |"


def fit_rows(name: str, cost: Cost) -> list[str]:
    rows = []
    for network, own in cost.networks.items():
        cells = [name, network, f"{own.parameters:,}"]
        cells += [f"{own.training[counter]:.2f}" for counter in COUNTERS]
        cells += [str(own.evaluation), f"{own.candidates:.0f}"]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def header(*names: str) -> str:
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--epochs", type=int, default=4, help="of each training")
    parser.add_argument("--labeled", type=int, default=64, help="images")
    parser.add_argument("--unlabeled", type=int, default=128, help="images")
    args = parser.parse_args()
    cfg = load_config(args.config)
    cfg.train_cfg.max_epochs = args.epochs
    given = cfg.active_learning.strategy  # a method's strategy takes the arguments that it knows
    cfg.active_learning.strategy = (
        dict(type=given) if isinstance(given, str) else given
    ) | SHORT_FIT
    prepare_data(cfg)
    images = candidate_dataset(cfg)
    images.full_init()
    ids = [images.get_data_info(i)["img_id"] for i in range(len(images))]
    order = np.random.default_rng(0).permutation(len(ids))[: args.labeled + args.unlabeled]
    names = [ids[i] for i in order]
    costs = {}
    with tempfile.TemporaryDirectory() as folder:
        lists = Path(folder, "labeled.txt"), Path(folder, "unlabeled.txt")
        write_ids(lists[0], names[: args.labeled])
        write_ids(lists[1], names[args.labeled :])
        for method in parse_methods(["plain+random", *args.methods]):
            own = method_config(cfg, method, {})
            costs[method.name] = measure_cost(own, Path(folder, method.name), *lists)
    print(header("method", "extra parameters", *COUNTERS, "features", "classifier"))
    for name in args.methods:
        print(row(name, costs[name], costs["plain+random"]))
    rows = [line for name in args.methods for line in fit_rows(name, costs[name])]
    if rows:
        names = ("method", "network", "parameters", *COUNTERS, "in eval mode", "candidate")
        print("\n" + header(*names), *rows, sep="\n")


if __name__ == "__main__":
    main()
