"""Whether boxes are proposed at all, and what those who label are told."""

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from PIL import Image

from ads_det.active.proposals import _image_labels, choose_threshold
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.package import write_package
from ads_det.results import CycleResult

WORTH = {"mean/proposals/threshold": 0.41, "mean/proposals/precision": 0.53}
OF_FIRST = {f"member_0/{name}": value / 2 for name, value in WORTH.items()}


@pytest.mark.parametrize(
    "fixed, metrics, expected, words",
    [
        (None, WORTH, 0.41, "a score of 0.41 or more. Of such boxes 53% were right"),
        (None, {}, None, "No boxes are proposed"),
        (None, WORTH | OF_FIRST, 0.205, "0.20 or more"),  # the first model of several proposes
        (None, WORTH | {"member_0/mean/other": 1.0}, None, "No boxes are proposed"),
        (0.3, {}, 0.3, "a score of 0.3 or more."),  # the user's word holds
        (0.0, WORTH, 0.0, "a score of 0 or more."),
    ],
)
def test_the_threshold_and_its_reason(fixed, metrics, expected, words):
    result = CycleResult(cycle=0, labeled_images=1, labeled_objects=1, metrics=metrics)
    threshold, why = choose_threshold(fixed, result)
    assert threshold == expected and words in why


def test_a_box_that_lies_beside_the_image_is_not_proposed():
    """The others are cut at its borders, and end where the scores fall below the threshold."""
    boxes = [[-9, -9, 50, 5], [41, 3, 60, 9], [2, -8, 9, 0], [1, 2, 3, 4], [1, 1, 9, 9]]
    sample = DetDataSample(metainfo=dict(img_id="a.jpg", ori_shape=(30, 40)))
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32),
        scores=torch.tensor([0.9, 0.8, 0.7, 0.6, 0.1]),
        labels=torch.tensor([0, 0, 0, 1, 0]),
    )
    found = _image_labels(sample, ["cat", "dog"], 0.5)
    assert [(b.name, *b.corners) for b in found.boxes] == [
        ("cat", 0.0, 0.0, 40.0, 5.0),
        ("dog", 1.0, 2.0, 3.0, 4.0),
    ]
    assert (found.image, found.width, found.height, found.checked) == ("a.jpg", 40, 30, False)


def test_readme_speaks_of_proposals_only_where_there_are_some(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (20, 10)).save(path)
    paths = {"a.jpg": str(path)}
    write_package(tmp_path / "first", paths, {}, {}, ["cat"], "Then: go on")
    text = (tmp_path / "first/README.txt").read_text()
    assert "propos" not in text and "score" not in text and text.endswith("Then: go on\n")
    assert "import label_studio.json" in text and (tmp_path / "first/label_studio.json").exists()
    assert not (tmp_path / "first/proposals").exists()

    labels = ImageLabels("a.jpg", 20, 10, (Box("cat", 1, 2, 3, 4, score=0.5),), checked=False)
    why = "Proposed are the best."
    write_package(tmp_path / "more", paths, {"a.jpg": 1.0}, {"a.jpg": labels}, ["cat"], "", why)
    text = (tmp_path / "more/README.txt").read_text()
    assert "import proposals/label_studio.json" in text and why in text and "score" in text
    assert (tmp_path / "more/proposals/cvat.xml").exists()
    assert not (tmp_path / "more/label_studio.json").exists()
    assert max(map(len, text.splitlines())) <= 100
