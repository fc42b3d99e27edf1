"""Train the small detectors' ResNet to classify images, as weights for a detector to begin with.

The folder has one folder of images per class, all of one size, such as CIFAR-10 as files
(data/README.md). 2,000 of the images are held out; the accuracy on them is printed at the end.

    OMP_NUM_THREADS=1 python benchmarks/pretrain.py data/cifar10/train work_dirs/pretrained.pth

A detector's config takes the weights by model.backbone.init_cfg.type=Pretrained
model.backbone.init_cfg.checkpoint=work_dirs/pretrained.pth model.backbone.init_cfg.prefix=backbone.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn import functional as F

from ads_det.registry import MODELS

CONFIG = Path(__file__).parent.parent / "configs" / "_base_" / "ssd_small.py"
HELD_OUT = 2000
SHIFT = 4  # pixels, of the images as they are on disk


def images_of(folder: Path) -> tuple[Tensor, Tensor]:
    """All images (N, 3, H, W) as bytes in RGB, and their classes (N,)."""
    files = [sorted(one.iterdir()) for one in sorted(folder.iterdir()) if one.is_dir()]
    images = [cv2.imread(str(file))[..., ::-1] for of_class in files for file in of_class]
    labels = [index for index, of_class in enumerate(files) for _ in of_class]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2), torch.tensor(labels)


def augmented(images: Tensor) -> Tensor:
    """A batch, shifted, mirrored and without colour by chance, each for the whole batch."""
    height, width = images.shape[-2:]
    padded = F.pad(images, (SHIFT, SHIFT, SHIFT, SHIFT), mode="reflect")
    top, left = random.randrange(2 * SHIFT + 1), random.randrange(2 * SHIFT + 1)
    images = padded[..., top : top + height, left : left + width]
    if random.random() < 0.5:
        images = images.flip(-1)
    return images.mean(1, keepdim=True).expand(-1, 3, -1, -1) if random.random() < 0.3 else images


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path, help="checkpoint to write")
    parser.add_argument("--size", type=int, default=64, help="side of the images in the network")
    parser.add_argument("--updates", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=128)
    args = parser.parse_args()

    torch.manual_seed(0)
    random.seed(0)
    model = Config.fromfile(CONFIG).model
    images, labels = images_of(args.folder)
    held_out, rest = torch.randperm(len(labels)).split([HELD_OUT, len(labels) - HELD_OUT])
    mean, std = (torch.tensor(model.data_preprocessor[k]).view(3, 1, 1) for k in ("mean", "std"))
    backbone = MODELS.build({**model.backbone, "out_indices": (3,)})
    backbone = backbone.to(memory_format=torch.channels_last)
    classifier = nn.Linear(8 * model.backbone.base_channels, int(labels.max()) + 1)

    def scores(batch: Tensor, change: bool = False) -> Tensor:
        x = (images[batch].float() - mean) / std
        x = augmented(x) if change else x
        x = F.interpolate(x, size=(args.size, args.size), mode="bilinear", align_corners=False)
        found: Tensor = classifier(
            backbone(x.contiguous(memory_format=torch.channels_last))[0].mean((2, 3))
        )
        return found

    parameters = [*backbone.parameters(), *classifier.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=4e-3, weight_decay=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 4e-3, total_steps=args.updates, pct_start=0.1
    )
    start = time.time()
    for update in range(args.updates):
        batch = rest[torch.randint(len(rest), (args.batch,))]
        loss = F.cross_entropy(scores(batch, change=True), labels[batch], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if update % 100 == 0:
            print(
                f"update {update}: loss {loss.item():.3f}, {time.time() - start:.0f} s", flush=True
            )
    backbone.eval()
    with torch.inference_mode():
        right = sum((scores(b).argmax(1) == labels[b]).sum().item() for b in held_out.split(250))
    print(f"accuracy on {HELD_OUT} held-out images: {right / HELD_OUT:.3f}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    state = {f"backbone.{name}": value for name, value in backbone.state_dict().items()}
    torch.save({"state_dict": state}, args.out)


if __name__ == "__main__":
    main()
