"""Does LL4AL predict the loss? Spearman correlation with the true loss on images held out.

Trains one model by ads_det.LL4AL on some images of the pool, then predicts the loss of others of
the pool, never trained on, and computes their true loss, both in eval mode. The interval is a
bootstrap over the held-out images.

    python benchmarks/learned_loss.py configs/ssd_small_neu_det_ads.py --labeled 600 --held-out 600
    python benchmarks/learned_loss.py configs/resnet18_cifar10_folder_ads.py --labeled 5000
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from scipy.stats import spearmanr

from ads_det.active.settings import load_config
from ads_det.arguments import KeyValueAction, option_values
from ads_det.benchmark.methods import Method, method_config
from ads_det.engine.datasets import candidate_dataset, training_dataset
from ads_det.engine.training import train_model, training_config
from ads_det.files import write_ids


def held_out_loader(cfg: Config, ids: Path) -> Any:
    """Images with their labels, prepared as candidates are."""
    dataset = training_dataset(cfg, ids)
    steps = list(cfg.candidate_dataloader.get("dataset", {}).get("pipeline", ()))
    if steps:
        pack = dict(steps[-1])
        pack.pop("meta_keys", None)
        annotations = dict(type="LoadAnnotations", with_bbox=True)
        # before Resize, so that boxes are those of the input; the test pipeline's are not
        dataset["pipeline"] = [steps[0], annotations, *steps[1:-1], pack]
    else:
        dataset.pop("pipeline", None)
    loader = {k: v for k, v in cfg.candidate_dataloader.items() if k != "dataset"}
    loader |= dict(dataset=DATASETS.build(dataset))
    return Runner.build_dataloader(
        loader | dict(sampler=dict(type="DefaultSampler", shuffle=False))
    )


@torch.no_grad()
def predicted_and_true(model: Any, loader: Any) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true loss of each image."""
    model.eval()
    (predictor,) = model.extensions()
    rows = []
    for batch in loader:
        data = model.data_preprocessor(batch, False)
        with predictor.watching(model):
            feats = model.extract_feat(data["inputs"])
        predicted = predictor.extras(model, feats)["predicted_loss"]
        true = model.image_losses(feats, data["data_samples"], predictor.target)
        rows.append(torch.stack([predicted, true]))
    both = torch.cat(rows, dim=1).double().cpu().numpy()
    return both[0], both[1]


def correlation(predicted: np.ndarray, true: np.ndarray, rounds: int = 2000) -> tuple[float, ...]:
    """Spearman's rho and the 95 % percentile interval of a bootstrap over the images."""
    generator = np.random.default_rng(0)
    n = len(true)
    drawn = [generator.integers(0, n, n) for _ in range(rounds)]
    values = [spearmanr(predicted[i], true[i]).statistic for i in drawn]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(spearmanr(predicted, true).statistic), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--labeled", type=int, default=600)
    parser.add_argument("--held-out", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cfg-options", nargs="+", action=KeyValueAction)
    args = parser.parse_args()
    cfg = load_config(args.config, option_values(args.cfg_options))
    cfg = method_config(cfg, Method.parse("ll4al+learnedloss"), {})
    images = candidate_dataset(cfg)
    images.full_init()
    ids = [images.get_data_info(i)["img_id"] for i in range(len(images))]
    order = np.random.default_rng(args.seed).permutation(len(ids))
    chosen = [ids[i] for i in order[: args.labeled + args.held_out]]
    with tempfile.TemporaryDirectory() as folder:
        lists = [Path(folder, name) for name in ("labeled.txt", "held_out.txt")]
        write_ids(lists[0], chosen[: args.labeled])
        write_ids(lists[1], chosen[args.labeled :])
        runner = train_model(
            training_config(cfg, Path(folder, "train"), lists[0], None, args.seed),
            Path(folder, "model.pth"),
        )
        for name, path in zip(("trained on", "held out"), lists):
            values = predicted_and_true(runner.model, held_out_loader(cfg, path))
            rho, low, high = correlation(*values)
            print(f"{name}: {len(values[0])} images, rho {rho:+.3f} [{low:+.3f}, {high:+.3f}]")


if __name__ == "__main__":
    main()
