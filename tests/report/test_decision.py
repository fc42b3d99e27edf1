"""The parts of the report for somebody who decides, by hand."""

import numpy as np
from PIL import Image

from ads_det.report.failures import judge, plot_failures
from ads_det.report.page import Page
from ads_det.report.summary import summary
from ads_det.results import CycleResult

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
    assert rows[0].by_class(METRIC) == dict(cat=0.5)


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
    picture = np.zeros((80, 80, 3), np.uint8)
    titles = [axes.get_title() for axes in plot_failures([(picture, "a", judged)]).axes]
    assert titles[0] == f"a\n{judged}"


def test_a_picture_may_be_folded_away_and_is_a_jpeg(tmp_path):
    page = Page(tmp_path, "t")
    page.photo("p", Image.new("RGB", (8, 8)), "Picks <1>", folded=True)
    text = page.write().read_text()
    assert "<summary>Picks &lt;1&gt;</summary>" in text and "data:image/jpeg" in text
    assert (tmp_path / "figures/p.jpg").read_bytes()[:2] == b"\xff\xd8"
