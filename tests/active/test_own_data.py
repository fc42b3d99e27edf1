"""The loop on data as users bring it."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from helpers import tiny_config
from PIL import Image

from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.settings import Settings, load_config
from ads_det.data.synthetic import CLASSES

ROOT = Path(__file__).parents[2]


def objects_of(xml):
    for element in ET.parse(xml).getroot().findall("object"):
        box = [int(element.findtext(f"bndbox/{k}")) for k in ("xmin", "ymin", "xmax", "ymax")]
        yield element.findtext("name"), box


@pytest.fixture
def coco_digits(digits, tmp_path):
    """The digits as a COCO folder."""
    root = tmp_path / "coco"
    root.mkdir()
    (root / "images").symlink_to(digits / "JPEGImages")
    for split in ("trainval", "test"):
        content = dict(images=[], annotations=[])
        content["categories"] = [dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]
        names = (digits / f"ImageSets/Main/{split}.txt").read_text().split()
        for number, name in enumerate(names, start=1):
            with Image.open(digits / f"JPEGImages/{name}.jpg") as image:
                width, height = image.size
            content["images"].append(
                dict(id=number, file_name=f"{name}.jpg", width=width, height=height)
            )
            for label, (x1, y1, x2, y2) in objects_of(digits / f"Annotations/{name}.xml"):
                content["annotations"].append(
                    dict(
                        id=len(content["annotations"]) + 1,
                        image_id=number,
                        category_id=CLASSES.index(label) + 1,
                        bbox=[x1 - 1, y1 - 1, x2 - x1, y2 - y1],
                        area=(x2 - x1) * (y2 - y1),
                        iscrowd=0,
                    )
                )
        (root / f"{split}.json").write_text(json.dumps(content))
    return root


def test_coco_format(coco_digits, finished, tmp_path):
    """The same images, boxes and seed as the VOC run: the same training and the same picks."""
    options = {"active_learning.metric": "coco/bbox_mAP_50", "active_learning.cycles": 2}
    for dataset, split in (("pool", "trainval"), ("test_dataloader.dataset", "test")):
        options |= {
            f"{dataset}.type": "ads_det.CocoDataset",
            f"{dataset}.data_root": str(coco_digits),
            f"{dataset}.ann_file": f"{split}.json",
            f"{dataset}.data_prefix": dict(img="images"),
        }
    options["test_evaluator.metric"] = dict(
        type="CocoMetric",
        ann_file=str(coco_digits / "test.json"),
        metric="bbox",
        _delete_=True,
    )
    cfg = tiny_config(coco_digits, **options)
    history = ActiveLearningLoop(cfg, tmp_path / "run").run()
    assert history.rows[1].labeled_images == 8
    assert {"mean/coco/bbox_mAP_50", "classifier_2/coco/bbox_mAP_50"} <= history.rows[
        1
    ].metrics.keys()
    picks, voc_picks = (
        (folder / "cycle_00/picks.txt").read_text().split()
        for folder in (tmp_path / "run", finished)
    )
    assert picks == [f"{name}.jpg" for name in voc_picks]


def test_the_config_of_the_readme_on_a_single_class_of_png_images(digits, tmp_path, monkeypatch):
    code = re.search(r"```python\n(_base_ = .*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    assert len(code.strip().splitlines()) <= 15
    config = ROOT / "configs" / "mine_for_a_test.py"
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "data/mine"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for split, count in (("trainval", 12), ("test", 4)):
        names = (digits / f"ImageSets/Main/{split}.txt").read_text().split()[:count]
        (root / f"ImageSets/Main/{split}.txt").write_text("".join(f"{n}\n" for n in names))
        for name in names:
            Image.open(digits / f"JPEGImages/{name}.jpg").save(root / f"JPEGImages/{name}.png")
            text = (digits / f"Annotations/{name}.xml").read_text()
            text = re.sub(r"<name>\w+</name>", "<name>scratch</name>", text)
            (root / f"Annotations/{name}.xml").write_text(text)
    options = {
        "train_cfg.max_epochs": 2,
        "train_dataloader.sampler.num_samples": 4,
        "active_learning.initial": 4,
        "active_learning.budget": 4,
        "active_learning.cycles": 2,
    }
    try:
        config.write_text(code.replace('("scratch", "dent")', '("scratch",)'))
        cfg = load_config(config, options)
    finally:
        config.unlink()
    assert Settings.from_config(cfg).budget == 4
    history = ActiveLearningLoop(cfg, tmp_path / "run").run()
    assert [row.labeled_images for row in history.rows] == [4, 8]
    assert history.rows[1].labeled_objects >= 8
