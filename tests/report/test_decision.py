"""The parts of the report for somebody who decides, by hand."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ads_det.errors import ADSError
from ads_det.report import page as page_module
from ads_det.report.failures import failure_picture, judge
from ads_det.report.history import History, few_test_images
from ads_det.report.page import Page
from ads_det.report.summary import plot_classes, summary
from ads_det.results import CycleResult
from ads_det.work_files import RunFiles

METRIC = "pascal_voc/mAP"


def row(cycle, images, value, low, high):
    metrics = {f"mean/{METRIC}": value, f"mean/{METRIC}_low": low, f"mean/{METRIC}_high": high}
    metrics |= {"mean/pascal_voc/AP/cat": 0.5, "mean/pascal_voc/test_images": 12.0}
    seconds = dict(train=100.0, evaluate=20.0)
    return CycleResult(
        cycle=cycle,
        labeled_images=images,
        labeled_objects=2 * images,
        metrics=metrics,
        seconds=seconds,
    )


def test_three_sentences_say_where_the_run_is_and_what_the_next_batch_may_bring():
    rows = [row(0, 40, 0.5, 0.4, 0.6), row(1, 80, 0.55, 0.45, 0.65)]
    advice = dict(expected_gain=0.02, next_images=40, next_objects=80, stop=False)
    now, last, following = summary(rows, METRIC, advice)
    assert now == (
        "With 80 labelled images (160 objects) the mAP is 0.550 (95 % interval 0.45 to 0.65, over "
        "12 test images)."
    )
    assert last.startswith("The last 40 labelled images changed the mAP by +0.050, which is within")
    assert "next 40 images (about 80 objects" in following and "2 min" in following
    assert "+0.020" in following
    rows[1] = row(1, 80, 0.8, 0.7, 0.9)
    assert "do not overlap" in summary(rows, METRIC, {})[1]
    assert "third cycle" in summary(rows, METRIC, {})[2]
    assert "first cycle" in summary(rows[:1], METRIC, {})[1]
    advice = dict(expected_gain=0.02, next_images=0)
    assert summary(rows, METRIC, advice)[2] == "No image is left to label."
    assert rows[0].by_class(METRIC) == dict(cat=0.5)


def test_a_cycle_without_the_metric_of_the_run_is_refused(tmp_path):
    history = History(RunFiles(tmp_path), "coco/bbox_mAP")
    with pytest.raises(ADSError, match="metrics.json has no number for 'mean/coco/bbox_mAP'; rest"):
        history.add(row(0, 40, 0.5, 0.4, 0.6))
    assert not history.rows


def test_the_cycle_before_is_marked_where_there_is_one():
    worst, best = dict(cat=0.2, dog=0.6), dict(dog=0.5)
    legend = plot_classes(worst, best).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["cycle before", "last cycle"]
    assert plot_classes(worst, {}).axes[0].get_legend() is None


def test_predictions_are_found_missed_invented_or_of_the_wrong_class():
    objects = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 50, 50]], float)
    boxes = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [20, 20, 30, 30], [60, 60, 70, 70]], float)
    judged = judge(boxes, [0, 0, 1, 0], [0.9, 0.8, 0.7, 0.6], objects, [0, 0, 1], ["cat", "dog"])
    assert [text for _, text in judged.found] == ["cat 0.90"]
    assert [text for _, text in judged.confused] == ["dog 0.70, is cat"]
    assert [text for _, text in judged.invented] == ["cat 0.80", "cat 0.60"]
    assert [text for _, text in judged.missed] == ["dog"]
    assert judged.errors == 4 and str(judged) == "1 missed, 2 invented, 1 wrong class"
    nothing = judge(np.zeros((0, 4)), [], [], objects, [0, 0, 1], ["cat", "dog"])
    assert nothing.errors == 3
    picture = failure_picture(Image.new("RGB", (80, 60)), judged, side=160)
    assert picture.size == (160, 120)
    colours = {colour for _, colour in picture.getcolors(100_000)}
    assert {(255, 0, 0), (255, 165, 0), (255, 0, 255), (50, 205, 50)} <= colours


def test_pictures_may_be_folded_away_and_lie_beside_each_other(tmp_path):
    page = Page(tmp_path, "t")
    with page.folded("Picks <1>"):
        page.gallery("p", [(Image.new("RGB", (8, 8)), "<a>"), (Image.new("RGB", (8, 8)), "b")])
    text = page.write().read_text()
    inside = re.search("<details><summary>Picks &lt;1&gt;</summary>(.*)</details>", text)[1]
    assert inside.startswith('<div class="gallery"><figure>') and inside.count("<img ") == 2
    assert inside.count("data:image/jpeg") == 2 and ">&lt;a&gt;<" in inside
    assert (tmp_path / "figures/p_02.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_a_page_stays_below_its_size(tmp_path, monkeypatch):
    """Noise cannot be compressed, so that pictures have to become smaller."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 200, 3), np.uint8)
    monkeypatch.setattr(page_module, "MOST_BYTES", 200_000)
    page = Page(tmp_path, "t")
    for number in range(6):
        page.photo(f"p{number}", Image.fromarray(noise), "noise")
    path = page.write()
    assert 100_000 < path.stat().st_size < 200_000
    sizes = set()
    for data in re.findall('base64,([^"]*)', path.read_text()):
        sizes.add(Image.open(io.BytesIO(base64.b64decode(data))).size)
    (size,) = sizes
    assert size[0] < 200 and size[1] == pytest.approx(1.5 * size[0], abs=1)
    assert Image.open(tmp_path / "figures/p0.jpg").size == (200, 300)  # the file is as it was


def test_the_table_fits_a_terminal_of_80_columns(tmp_path):
    both = {f"classifier_{i}/{METRIC}": 0.5432 for i in (1, 2)}
    history = History(RunFiles(tmp_path), METRIC)
    for cycle in range(3):
        result = row(cycle, 10_000, 0.51234, 0.4, 0.6)
        seconds = dict(train=12345.0, evaluate=321.0, select=123.0)
        history.add(replace(result, metrics=result.metrics | both, seconds=seconds))
    table = history.table().partition("\nIn brackets")[0]
    assert max(map(len, table.splitlines())) <= 80 and "…" not in table
    assert "0.5123 (0.40-0.60)" in table and "12345" in table


def test_a_page_of_a_decision_warns_of_few_test_images():
    assert few_test_images(row(0, 40, 0.5, 0.4, 0.6), METRIC)[0].startswith("Warning: 12 test im")
